export { NewPassword, UserInput } from './users.input.ts'
export * from './users.module.ts'
export * from './users.resource.ts'
export * from './users.service.ts'
