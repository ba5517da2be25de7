export { MeterService } from './meter.service.ts'
export * from './usage.module.ts'
