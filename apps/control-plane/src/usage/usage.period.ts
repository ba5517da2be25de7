import { ApiError, errorObject, type ErrorObject } from '@apigate/errors'
import { RequestUrl } from '../jsonapi/index.ts'

/** Days of UTC, `YYYY-MM-DD`, both included. */
export interface UsagePeriod {
  from: string
  to: string
  /** `YYYY-MM` when the days are exactly that month: then there is a quota. */
  month: string | null
}

/**
 * What `?period=2026-11`, or `?from=2026-11-01&to=2026-11-07`, asks for; without either the month of `now`.
 *
 * @throws ApiError 400 naming each parameter that is wrong.
 */
export function readUsagePeriod(requestUrl: string, now: Date): UsagePeriod {
  const { parameters } = new RequestUrl(requestUrl)
  const given = new Map(parameters)
  const problems: ErrorObject[] = []
  const refuse = (parameter: string, detail: string): void =>
    void problems.push(errorObject('bad_request', detail, { parameter }))
  for (const [n, [name]] of parameters.entries()) {
    if (!['period', 'from', 'to'].includes(name)) refuse(name, 'this parameter is not known here')
    else if (parameters.findIndex(([other]) => other === name) !== n) refuse(name, 'is given twice')
  }
  const [period, from, to] = [given.get('period'), given.get('from'), given.get('to')]
  if (period !== undefined && !isDay(`${period}-01`)) refuse('period', 'must be a month, e.g. 2026-11')
  if (period !== undefined && (from ?? to) !== undefined) refuse('period', 'stands alone, without from and to')
  if (period === undefined && (from === undefined) !== (to === undefined)) {
    refuse(from === undefined ? 'from' : 'to', 'from and to come together')
  }
  for (const [name, day] of Object.entries({ from, to })) {
    if (day !== undefined && !isDay(day)) refuse(name, 'must be a day, e.g. 2026-11-21')
  }
  if (problems.length === 0 && from !== undefined && to !== undefined) {
    if (from > to) refuse('to', 'is before from')
    else if (Date.parse(to) - Date.parse(from) > 400 * 86_400_000) refuse('to', 'is more than 400 days after from')
  }
  const [first, ...others] = problems
  if (first) throw new ApiError([first, ...others])
  if (from !== undefined && to !== undefined) {
    const month = from.slice(0, 7)
    return { from, to, month: from === `${month}-01` && to === lastDayOf(month) ? month : null }
  }
  const month = period ?? now.toISOString().slice(0, 7)
  return { from: `${month}-01`, to: lastDayOf(month), month }
}

function isDay(text: string): boolean {
  if (!/^20\d{2}-\d{2}-\d{2}$/.test(text)) return false
  const date = new Date(text)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}

function lastDayOf(month: string): string {
  return new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 0)).toISOString().slice(0, 10)
}
