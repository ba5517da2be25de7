/**
 * Reads settings from an environment. Each reader notes what is wrong instead of throwing, so that one start shows every
 * bad setting; `done` throws them together. An empty value counts as unset.
 */
export class EnvReader {
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #problems: string[] = []

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env
  }

  string(name: string, fallback: string): string {
    return this.#env[name] || fallback
  }

  optional(name: string): string | null {
    return this.#env[name] || null
  }

  required(name: string, what: string): string {
    const value = this.#env[name]
    if (value) return value
    this.#problems.push(`${name} is not set: ${what}`)
    return ''
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const text = this.#env[name]
    if (!text) return fallback
    const value = Number(text)
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value
    this.#problems.push(`${name} must be a whole number from ${min} to ${max}, not "${text}"`)
    return fallback
  }

  boolean(name: string, fallback: boolean): boolean {
    const text = this.#env[name]
    if (!text) return fallback
    if (text === 'true' || text === 'false') return text === 'true'
    this.#problems.push(`${name} must be true or false, not "${text}"`)
    return fallback
  }

  oneOf<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const text = this.#env[name]
    if (!text) return fallback
    const value = values.find((candidate) => candidate === text)
    if (value !== undefined) return value
    this.#problems.push(`${name} must be one of ${values.join(', ')}, not "${text}"`)
    return fallback
  }

  /** A setting with a syntax of its own. Secrets: the parser's message must not repeat the value. */
  parsed<T>(name: string, fallback: T, parse: (text: string) => T): T {
    const text = this.#env[name]
    if (!text) return fallback
    try {
      return parse(text)
    } catch (error) {
      this.#problems.push(`${name} ${error instanceof Error ? error.message : String(error)}`)
      return fallback
    }
  }

  /** @throws SettingsError naming every problem at once. */
  done(): void {
    if (this.#problems.length > 0) throw new SettingsError(this.#problems)
  }
}

export class SettingsError extends Error {
  override readonly name = 'SettingsError'

  constructor(problems: readonly string[]) {
    super(`settings are not usable:\n  ${problems.join('\n  ')}`)
  }
}
