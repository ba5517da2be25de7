const lengthMin = 12
/** Bounded, because whoever can send a password makes us hash it. */
const lengthMax = 256

/** As JSON Schema. */
export const passwordSchema = { type: 'string', minLength: lengthMin, maxLength: lengthMax }

/** What is wrong with a new password, or null. Never repeats it. */
export function passwordProblem(password: unknown): string | null {
  if (typeof password !== 'string') return 'must be text'
  if (password.trim().length < lengthMin) return `must have at least ${lengthMin} characters`
  return password.length > lengthMax ? `must have at most ${lengthMax} characters` : null
}
