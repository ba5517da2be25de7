export { UpstreamInput } from './upstreams.input.ts'
export * from './upstreams.module.ts'
export * from './upstreams.resource.ts'
export * from './upstreams.service.ts'
