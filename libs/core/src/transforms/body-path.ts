/** Stands for every element of a list. */
export const eachElement = Symbol('[]')
export type BodyPath = readonly (string | number | typeof eachElement)[]

const pathCharsMax = 512
const segmentsMax = 32
const brackets = String.raw`\[\]|\[(0|[1-9]\d{0,8})\]|\["((?:[^"\\]|\\["\\])*)"\]`
const firstSegment = new RegExp(String.raw`([^.[\]"]+)|${brackets}`, 'y')
const laterSegment = new RegExp(String.raw`\.([^.[\]"]+)|${brackets}`, 'y')

/** `user.address.city`, `items[].secret`, `items[0].id`, `a["odd.name"]`. A sentence for what is no path. */
export function parseBodyPath(text: string): BodyPath | string {
  if (text.length > pathCharsMax) return `is longer than ${pathCharsMax} characters`
  const path: (string | number | typeof eachElement)[] = []
  for (let at = 0; at < text.length || at === 0;) {
    const segment = at === 0 ? firstSegment : laterSegment
    segment.lastIndex = at
    const found = segment.exec(text)
    if (found === null)
      return `is no path at character ${at + 1}: write user.name, items[].id, items[0] or ["odd.name"]`
    at += found[0].length
    const [, name, index, quoted] = found
    if (name !== undefined) path.push(name)
    else if (index !== undefined) path.push(Number(index))
    else if (quoted !== undefined) path.push(quoted.replace(/\\(.)/g, '$1'))
    else path.push(eachElement)
  }
  return path.length > segmentsMax ? `has more than ${segmentsMax} steps` : path
}
