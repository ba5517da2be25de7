export { openUsageSpool } from './spool.recovery.ts'
export type { UsageEventDraft, UsageRecorder } from './usage.recorder.ts'
export { startUsageShipper, type UsageShipper, type UsageShipperOptions } from './usage.shipper.ts'
export type { UsageSpool, UsageSpoolOptions } from './usage.spool.ts'
