export * from './openapi.module.ts'
