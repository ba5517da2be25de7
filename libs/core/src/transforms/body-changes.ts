import { eachElement, parseBodyPath, type BodyPath } from './body-path.ts'
import { isJsonObject } from './json-text.ts'
import { parseTemplate, render } from './template.ts'
import { entriesOf, isObject, membersOf, textsOf, type ProblemList } from './transform-problem.ts'
import type { TransformScope, VariableSource } from './variables.ts'

/** A JSON value that is made anew for each exchange. */
type ValueMaker = (source: VariableSource) => unknown

export interface BodyChanges {
  readonly rename: readonly { readonly path: BodyPath; readonly to: string }[]
  readonly remove: readonly BodyPath[]
  readonly set: readonly { readonly path: BodyPath; readonly value: ValueMaker }[]
  readonly mask: readonly BodyPath[]
  readonly wrap: string | null
}

const maskText = '***'
const valueLevelsMax = 32

/** Null when there is nothing to do. */
export function parseBodyChanges(value: unknown, scope: TransformScope, problems: ProblemList): BodyChanges | null {
  const { set, remove, rename, mask, wrap } = membersOf(value, ['set', 'remove', 'rename', 'mask', 'wrap'], problems)
  const changes: BodyChanges = {
    rename: entriesOf(rename, problems.at('rename')).flatMap(([from, to]) => {
      const place = problems.at('rename', from)
      const path = namedPath(from, place)
      const name = path === null ? null : newName(path, to, place)
      return path === null || name === null ? [] : [{ path, to: name }]
    }),
    remove: pathsOf(remove, namedPath, problems.at('remove')),
    set: entriesOf(set, problems.at('set')).flatMap(([text, to]) => {
      const place = problems.at('set', text)
      const path = namedPath(text, place)
      const maker = valueMaker(to, scope, place, 0)
      return path === null || maker === null ? [] : [{ path, value: maker }]
    }),
    mask: pathsOf(mask, anyPath, problems.at('mask')),
    wrap: typeof wrap === 'string' && wrap !== '' ? wrap : null,
  }
  if (wrap !== undefined && changes.wrap === null) problems.at('wrap').add('must be a name')
  const count = changes.rename.length + changes.remove.length + changes.set.length + changes.mask.length
  return count === 0 && changes.wrap === null ? null : changes
}

type PathParser = (text: string, problems: ProblemList) => BodyPath | null

function pathsOf(value: unknown, parse: PathParser, problems: ProblemList): BodyPath[] {
  return textsOf(value, problems)
    .map((text, i) => parse(text, problems.at(i)))
    .filter((path) => path !== null)
}

function anyPath(text: string, problems: ProblemList): BodyPath | null {
  const path = parseBodyPath(text)
  if (typeof path !== 'string') return path
  problems.add(path)
  return null
}

function namedPath(text: string, problems: ProblemList): BodyPath | null {
  const path = anyPath(text, problems)
  if (path === null || typeof path.at(-1) === 'string') return path
  problems.add('must end with the name of a member')
  return null
}

/** The new name itself, or the old path with another last name. */
function newName(path: BodyPath, to: unknown, problems: ProblemList): string | null {
  const toPath = typeof to === 'string' ? anyPath(to, problems) : null
  const name = toPath?.at(-1)
  if (typeof to === 'string' && toPath === null) return null
  const isBeside = toPath?.length === path.length && toPath.slice(0, -1).every((segment, i) => segment === path[i])
  if (typeof name === 'string' && (toPath?.length === 1 || isBeside)) return name
  problems.add('must be a new name in the same object, alone or with the path before it')
  return null
}

function valueMaker(value: unknown, scope: TransformScope, problems: ProblemList, level: number): ValueMaker | null {
  if (level > valueLevelsMax) {
    problems.add(`is nested deeper than ${valueLevelsMax} levels`)
    return null
  }
  if (typeof value === 'string') {
    const template = parseTemplate(value, scope, problems)
    return template && ((source) => render(template, source))
  }
  if (Array.isArray(value)) {
    const makers = value.map((element) => valueMaker(element, scope, problems, level + 1))
    return (source) => makers.map((maker) => maker?.(source))
  }
  if (isObject(value)) {
    const makers = Object.entries(value).map(
      ([name, member]) => [name, valueMaker(member, scope, problems, level + 1)] as const,
    )
    return (source) => Object.fromEntries(makers.map(([name, maker]) => [name, maker?.(source)]))
  }
  return () => value
}

/**
 * The body as it is to be: renamed, removed, set, masked, and at last wrapped. `set` makes the objects that its path
 * needs, in the place of other values too, so that it always takes effect; but neither a body that is no object, nor
 * lists, nor their elements are made into something else. The value that is given stays as it is.
 */
export function changeBody(changes: BodyChanges, body: unknown, source: VariableSource): unknown {
  const draft = new Draft()
  let changed = body
  for (const { path, to } of changes.rename) {
    changed = draft.change(changed, path, false, (object, name) => {
      if (!Object.hasOwn(object, name) || name === to) return object
      const { [name]: value } = object
      return draft.put(draft.without(object, name), to, value)
    })
  }
  for (const path of changes.remove)
    changed = draft.change(changed, path, false, (object, name) => draft.without(object, name))
  for (const { path, value } of changes.set) {
    changed = draft.change(changed, path, true, (object, name) => draft.put(object, name, value(source)))
  }
  for (const path of changes.mask) changed = draft.mask(changed, path)
  return changes.wrap === null ? changed : Object.fromEntries([[changes.wrap, changed]])
}

type JsonObject = Record<string, unknown>

/** Copies an object or list before its first change, and only then: many changes of a large body copy it once. */
class Draft {
  readonly #copies = new WeakSet<object>()

  /** Runs `act` on each object that the path's last name belongs to. */
  change(
    value: unknown,
    path: BodyPath,
    makesWay: boolean,
    act: (object: JsonObject, name: string) => JsonObject,
    at = 0,
  ): unknown {
    const segment = path[at]!
    const isLast = at === path.length - 1
    if (typeof segment !== 'string') {
      return this.#elements(value, segment, (element) =>
        makesWay && !isContainer(element) ? element : this.change(element, path, makesWay, act, at + 1),
      )
    }
    const isMade = makesWay && at > 0 && !isJsonObject(value)
    if (!isMade && !isJsonObject(value)) return value
    const object = isMade ? {} : (value as JsonObject)
    if (isLast) return act(object, segment)
    const hasIt = Object.hasOwn(object, segment)
    // Lists are not made: there is nothing to make of `items[]`.
    if (!hasIt && !(makesWay && typeof path[at + 1] === 'string')) return value
    const before = hasIt ? object[segment] : undefined
    const after = this.change(before, path, makesWay, act, at + 1)
    return after === before ? value : this.put(object, segment, after)
  }

  mask(value: unknown, path: BodyPath, at = 0): unknown {
    if (at === path.length) return maskText
    const segment = path[at]!
    if (typeof segment !== 'string')
      return this.#elements(value, segment, (element) => this.mask(element, path, at + 1))
    if (!isJsonObject(value) || !Object.hasOwn(value, segment)) return value
    return this.put(value, segment, this.mask(value[segment], path, at + 1))
  }

  put(object: JsonObject, name: string, value: unknown): JsonObject {
    const copy = this.#own(object)
    if (name === '__proto__') {
      Object.defineProperty(copy, name, { value, writable: true, enumerable: true, configurable: true })
    } else {
      copy[name] = value
    }
    return copy
  }

  without(object: JsonObject, name: string): JsonObject {
    if (!Object.hasOwn(object, name)) return object
    const copy = this.#own(object)
    delete copy[name]
    return copy
  }

  #elements(value: unknown, which: number | typeof eachElement, change: (element: unknown) => unknown): unknown {
    if (!Array.isArray(value)) return value
    let list: unknown[] = value
    const end = which === eachElement ? value.length : Math.min(which + 1, value.length)
    for (let i = which === eachElement ? 0 : which; i < end; i++) {
      const after = change(list[i])
      if (after === list[i]) continue
      if (list === value) list = this.#own(value)
      list[i] = after
    }
    return list
  }

  #own<T extends object>(value: T): T {
    if (this.#copies.has(value)) return value
    const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as T
    this.#copies.add(copy)
    return copy
  }
}

function isContainer(value: unknown): boolean {
  return Array.isArray(value) || isJsonObject(value)
}
