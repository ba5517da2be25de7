export { RouteInput } from './routes.input.ts'
export * from './routes.module.ts'
export * from './routes.resource.ts'
export * from './routes.service.ts'
