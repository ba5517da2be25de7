export * from './fleet.module.ts'
export * from './wait.interceptor.ts'
