export * from './config-publisher.module.ts'
export * from './config.change.ts'
export * from './config.item.ts'
export { ConfigPublisher, type PublisherState } from './config.publisher.ts'
