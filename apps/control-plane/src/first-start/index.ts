export * from './first-start.module.ts'
export * from './first-start.ts'
