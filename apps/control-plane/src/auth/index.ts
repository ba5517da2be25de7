export * from './actor.ts'
export * from './auth.module.ts'
export * from './authenticator.ts'
export * from './public.ts'
