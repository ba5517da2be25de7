import { parseTemplate, render, type Template } from './template.ts'
import { entriesOf, membersOf, textsOf, type ProblemList } from './transform-problem.ts'
import type { TransformScope, VariableSource } from './variables.ts'

/** Names in lower case, but for those that are sent. */
export interface HeaderChanges {
  readonly rename: ReadonlyMap<string, string>
  readonly remove: ReadonlySet<string>
  readonly set: readonly NewHeader[]
  readonly add: readonly NewHeader[]
}

interface NewHeader {
  readonly name: string
  readonly lower: string
  readonly value: Template
}

const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/
const framing = [
  ...['connection', 'content-encoding', 'content-length', 'expect', 'host', 'http2-settings', 'keep-alive'],
  ...['proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
]
/** What the gateway says itself. */
const own = {
  request: [
    ...['x-user-id', 'x-group-id', 'x-key-id', 'x-plan-id', 'x-request-id', 'via'],
    ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'],
  ],
  response: [
    ...['x-request-id', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'x-quota-limit'],
    ...['x-quota-used', 'x-quota-remaining', 'x-quota-reset', 'x-quota-warning'],
  ],
}
const controls = /[^\t\x20-\x7e\x80-\uffff]/

/** Null when there is nothing to do. */
export function parseHeaderChanges(value: unknown, scope: TransformScope, problems: ProblemList): HeaderChanges | null {
  const { set, add, remove, rename } = membersOf(value, ['set', 'add', 'remove', 'rename'], problems)
  const changes = {
    rename: parseRenames(rename, scope, problems.at('rename')),
    remove: new Set(
      textsOf(remove, problems.at('remove')).map((name, i) => checked(name, scope, problems.at('remove', i))),
    ),
    set: parseNew(set, scope, problems.at('set')),
    add: parseNew(add, scope, problems.at('add')),
  }
  const count = changes.rename.size + changes.remove.size + changes.set.length + changes.add.length
  return count === 0 ? null : changes
}

function parseRenames(value: unknown, scope: TransformScope, problems: ProblemList): Map<string, string> {
  const renames = new Map<string, string>()
  for (const [from, to] of entriesOf(value, problems)) {
    const place = problems.at(from)
    const lower = checked(from, scope, place)
    if (renames.has(lower)) place.add('is given twice')
    if (typeof to !== 'string') {
      place.add('must be text: the new name')
      continue
    }
    checked(to, scope, place)
    renames.set(lower, to)
  }
  return renames
}

function parseNew(value: unknown, scope: TransformScope, problems: ProblemList): NewHeader[] {
  const headers: NewHeader[] = []
  for (const [name, text] of entriesOf(value, problems)) {
    const place = problems.at(name)
    const lower = checked(name, scope, place)
    if (headers.some((header) => header.lower === lower)) place.add('is given twice')
    if (typeof text !== 'string') place.add('must be text')
    else if (controls.test(text)) place.add('must not hold line breaks or other control characters')
    else {
      const template = parseTemplate(text, scope, place)
      if (template !== null) headers.push({ name, lower, value: template })
    }
  }
  return headers
}

/** The name in lower case. Servers behind CGI read `_` as `-`, so that both spellings are refused. */
function checked(name: string, { side }: TransformScope, problems: ProblemList): string {
  const lower = name.toLowerCase()
  const plain = lower.replaceAll('_', '-')
  if (!token.test(name)) problems.add(`"${name}" is no header name`)
  else if (framing.includes(plain)) problems.add(`${name} belongs to the framing of the message or to its connection`)
  else if (plain.startsWith('sec-websocket-')) problems.add(`${name} belongs to the handshake of a WebSocket`)
  else if (own[side].includes(plain)) problems.add(`${name} is what the gateway says itself`)
  return lower
}

/**
 * The headers as they are to be, names and values alternating: first renamed (what has the new name gives way), then
 * removed, set (in place of all of the name) and added. The list that is given stays as it is.
 */
export function changeHeaders(changes: HeaderChanges, headers: readonly string[], source: VariableSource): string[] {
  const { rename, remove, set, add } = changes
  const setNames = new Set(set.map(({ lower }) => lower))
  const takenNames = new Set<string>()
  if (rename.size > 0) {
    for (let i = 0; i < headers.length; i += 2) {
      const to = rename.get(headers[i]!.toLowerCase())
      if (to !== undefined) takenNames.add(to.toLowerCase())
    }
  }
  const changed: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const before = headers[i]!
    const to = rename.get(before.toLowerCase())
    const lower = (to ?? before).toLowerCase()
    if (remove.has(lower) || setNames.has(lower) || (to === undefined && takenNames.has(lower))) continue
    changed.push(to ?? before, headers[i + 1]!)
  }
  for (const { name, value } of set) changed.push(name, headerText(render(value, source)))
  for (const { name, value } of add) changed.push(name, headerText(render(value, source)))
  return changed
}

/**
 * Text as a header can hold it, one character a byte: UTF-8 beyond ASCII, and controls (line breaks above all)
 * percent-encoded, so that no value ever becomes a second header.
 */
function headerText(text: string): string {
  if (/^[\t\x20-\x7e]*$/.test(text)) return text
  const visible = text.toWellFormed().replace(/[^\t\x20-\x7e\x80-\uffff]/g, encodeURIComponent)
  return visible.replace(/[^\0-\x7f]+/g, (chars) =>
    encodeURIComponent(chars).replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  )
}
