export * from './config.change.ts'
export * from './config.item.ts'
