export * from './metered-units.ts'
