/** Why a pattern of a route cannot be compiled, in words for the admin who wrote it. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

/** Characters of one pattern, expression or template: longer ones are mistakes, and bound what a worker must hold. */
export const patternCharsMax = 2048
