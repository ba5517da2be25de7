export * from './env.ts'
export * from './migrate.ts'
export * from './transport/transport.ts'
