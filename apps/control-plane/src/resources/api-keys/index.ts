export { ApiKeyChanges, ApiKeyInput } from './api-keys.input.ts'
export * from './api-keys.module.ts'
export * from './api-keys.resource.ts'
export * from './api-keys.service.ts'
