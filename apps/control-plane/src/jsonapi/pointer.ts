import { escapePointer, isObject } from './json.ts'

/**
 * JSON pointer to an attribute, or to a place inside it, in the body that was sent: in `attributes`, in `relationships` (for
 * `<name>_id`), or in a flat body. Of a path that is not there, the part that is: a pointer must resolve in the request
 * (JSON:API 1.1 §11.2).
 */
export function pointerTo(body: unknown, path: readonly string[]): string {
  if (!isDocument(body)) return resolve(body, path)
  const [name = ''] = path
  if (name === 'id' || name === 'type') return resolve(body, ['data', name])
  const linkage = ['data', 'relationships', name.replace(/_id$/, ''), 'data', 'id']
  if (resolves(body, linkage.slice(0, 3)) && !resolves(body, ['data', 'attributes', name]))
    return resolve(body, linkage)
  return resolve(body, ['data', 'attributes', ...path])
}

/** Whether a body is a JSON:API document rather than a flat object of attributes; no resource has an attribute `data`. */
export function isDocument(body: unknown): body is { data: unknown } {
  return isObject(body) && Object.hasOwn(body, 'data')
}

function resolves(body: unknown, path: readonly string[]): boolean {
  return resolve(body, path) === path.map((name) => `/${escapePointer(name)}`).join('')
}

function resolve(body: unknown, path: readonly string[]): string {
  let pointer = ''
  let value = body
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return pointer
    pointer += `/${escapePointer(name)}`
    value = (value as Record<string, unknown>)[name]
  }
  return pointer
}

/** Of a pointer the part that leads to a value. */
export function resolvingPart(body: unknown, pointer: string): string {
  const names = pointer.split('/').slice(1)
  return resolve(
    body,
    names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~')),
  )
}
