export * from './endpoint.list.ts'
export * from './openapi.module.ts'
