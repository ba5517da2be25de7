export { PlanInput } from './plans.input.ts'
export * from './plans.module.ts'
export * from './plans.resource.ts'
export * from './plans.service.ts'
