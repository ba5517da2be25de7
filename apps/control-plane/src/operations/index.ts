export * from './operations.module.ts'
export { operables, type Operable, type ResourceWriter } from './operable.ts'
