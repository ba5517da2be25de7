import { usageBounds, type UsageBatch } from '@apigate/contracts'

/** Of an hour, by the key of `usage_hourly`; what has no value is the empty string. */
interface HourSum {
  hour: string
  user_id: string
  group_id: string
  api_key_id: string
  route_id: string
  status_class: number
  requests: number
  metered_units: number
  request_bytes: number
  response_bytes: number
  last_used: string
}

const plain = String.raw`[!#-'*+\-.-[\]-~]`
const quoted = String.raw`"(?:[^"\\\u0000-\u001f]|\\["\\])*"`
const text = `(?:${quoted}|${plain}*)`
const some = `(?:${quoted}|${plain}+)`
const time = String.raw`2[01]\d\d-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3})?Z`
/** A row as `usageRow` writes it: what is written in another way is left to the server. */
const rowPattern = new RegExp(
  `\\(([1-9]\\d*),(${time}),(${plain}*,${plain}*,${plain}*,${text},${plain}*),${text},${some},${some},` +
    `([1-5])\\d\\d,\\d{1,10},(\\d{1,16}),(\\d{1,16}),(\\d{1,13}),${text},${text},${some},\\d{1,18},${text},${text}\\)(?:\\n|$)`,
  'y',
)

/**
 * Batches as COPY takes them, and their sums: the rows of `usage-batch.v2` are lines of CSV but for their brackets and the id,
 * which stands where they have the number. The server then neither makes arrays of rows nor hands rows from part to part of
 * a statement (decision 35).
 */
export class CopiedRows {
  /** One for each batch. */
  readonly texts: string[] = []
  readonly #hours = new Map<string, Map<string, HourSum>[]>()
  /** The hour of the last row, in which most of the next ones are, too. */
  #hour = ''
  #classes: Map<string, HourSum>[] = []

  /** Rows of another plan, or of a time before the plan changed, have sums of their own: several may be of one key of `usage_hourly`. */
  get sums(): HourSum[] {
    return [...this.#hours.values()].flatMap((classes) => classes.flatMap((sums) => [...sums.values()]))
  }

  /** False when a row is not exactly as workers write them, or a sum is too large for a number: then none of this may be used. */
  add({ worker, epoch, first, last, rows }: UsageBatch): boolean {
    rowPattern.lastIndex = 0
    for (let seq = first; seq <= last; seq += 1) {
      const row = rowPattern.exec(rows)
      if (row === null || Number(row[1]) !== seq || !this.#count(row)) return false
    }
    if (rowPattern.lastIndex !== rows.length || !rows.endsWith(')')) return false
    const prefix = `evt_${worker}_${epoch}_`
    this.texts.push(`${prefix}${rows.slice(1, -1).replaceAll(')\n(', `\n${prefix}`)}\n`)
    return true
  }

  #count(row: RegExpExecArray): boolean {
    const [, , at = '', names = '', statusClass = ''] = row
    const [requestBytes, responseBytes, units] = [Number(row[5]), Number(row[6]), Number(row[7])]
    const sum = this.#sumOf(at, names, Number(statusClass))
    sum.requests += 1
    sum.metered_units += units
    sum.request_bytes += requestBytes
    sum.response_bytes += responseBytes
    if (at > sum.last_used) sum.last_used = at
    return (
      units <= usageBounds.meteredUnitsMax &&
      requestBytes <= usageBounds.bytesMax &&
      responseBytes <= usageBounds.bytesMax &&
      Number.isSafeInteger(sum.metered_units) &&
      Number.isSafeInteger(sum.request_bytes) &&
      Number.isSafeInteger(sum.response_bytes)
    )
  }

  /** @param names user, group, key, plan and route, as they stand in the row. */
  #sumOf(at: string, names: string, statusClass: number): HourSum {
    if (this.#hour === '' || !at.startsWith(this.#hour)) this.#beginHour(at.slice(0, 13))
    const sums = this.#classes[statusClass]!
    const known = sums.get(names)
    if (known !== undefined) return known
    const [user_id = '', group_id = '', api_key_id = ''] = names.split(',', 3)
    const sum: HourSum = {
      ...{ hour: `${this.#hour}:00:00Z`, user_id, group_id, api_key_id },
      ...{ route_id: names.slice(names.lastIndexOf(',') + 1), status_class: statusClass },
      ...{ requests: 0, metered_units: 0, request_bytes: 0, response_bytes: 0, last_used: at },
    }
    sums.set(names, sum)
    return sum
  }

  #beginHour(hour: string): void {
    this.#hour = hour
    this.#classes = this.#hours.get(hour) ?? Array.from({ length: 6 }, () => new Map<string, HourSum>())
    this.#hours.set(hour, this.#classes)
  }
}
