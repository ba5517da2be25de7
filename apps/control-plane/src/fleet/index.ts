export { silentMs } from './fleet.ts'
export * from './fleet.module.ts'
export * from './fleet.service.ts'
export * from './wait.interceptor.ts'
