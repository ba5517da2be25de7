import { ExpressionError } from './metering-error.ts'

export interface Token {
  readonly kind: 'number' | 'text' | 'name' | 'sign' | 'end'
  /** As written; of a text its value. */
  readonly text: string
  /** Of its first character, from 1. */
  readonly position: number
}

const shapes =
  /\s+|(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_$][A-Za-z0-9_$]*)|("|')|(\?\?|\|\||&&|[=!<>]=|[-+*/%<>!?:()[\].,])/y
const hints: Readonly<Record<string, string>> = { '=': 'write == to compare', '&': 'write &&', '|': 'write ||' }

/** @throws ExpressionError */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < source.length) {
    shapes.lastIndex = at
    const found = shapes.exec(source)
    const position = at + 1
    if (found === null) throw new ExpressionError(position, strange(source, at))
    const [all, number, name, quote, sign] = found
    at += all.length
    if (number !== undefined) {
      if (/[A-Za-z0-9_$]/.test(source.charAt(at))) throw new ExpressionError(position, 'a number ends in letters')
      if (!Number.isFinite(Number(number))) throw new ExpressionError(position, 'the number is too large')
      tokens.push({ kind: 'number', text: number, position })
    } else if (name !== undefined) {
      tokens.push({ kind: 'name', text: name, position })
    } else if (quote !== undefined) {
      const text = readText(source, at, quote)
      tokens.push({ kind: 'text', text: text.value, position })
      at = text.end
    } else if (sign !== undefined) {
      if ((sign === '==' || sign === '!=') && source.charAt(at) === '=')
        throw new ExpressionError(position, `"${sign}=" is not known: write ${sign}`)
      tokens.push({ kind: 'sign', text: sign, position })
    }
  }
  tokens.push({ kind: 'end', text: '', position: source.length + 1 })
  return tokens
}

function strange(source: string, at: number): string {
  const char = String.fromCodePoint(source.codePointAt(at)!)
  const hint = hints[char]
  return `"${char}" is not part of the language${hint === undefined ? '' : `: ${hint}`}`
}

/** From behind the opening quote. A backslash stands before a quote or another backslash. */
function readText(source: string, start: number, quote: string): { value: string; end: number } {
  let value = ''
  for (let at = start; at < source.length; at++) {
    const char = source.charAt(at)
    if (char === quote) return { value, end: at + 1 }
    if (char === '\\') {
      at += 1
      const escaped = source.charAt(at)
      if (escaped !== '\\' && escaped !== '"' && escaped !== "'")
        throw new ExpressionError(at, 'a backslash in a text stands before a quote or a backslash')
      value += escaped
    } else {
      value += char
    }
  }
  throw new ExpressionError(start, 'the text has no closing quote')
}
