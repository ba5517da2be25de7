import { AsyncLocalStorage } from 'node:async_hooks'

/** What every line says that is logged while a request is worked on. */
export interface LogFields {
  request_id: string
  trace_id?: string | undefined
}

const scope = new AsyncLocalStorage<LogFields>()

/** Runs `work`; whatever it logs, now or later, has these fields. */
export function withLogFields(fields: LogFields, work: () => void): void {
  scope.run(fields, work)
}

export function currentLogFields(): LogFields | undefined {
  return scope.getStore()
}
