import { ApiError, errorObject } from '@apigate/errors'
import { Injectable } from '@nestjs/common'
import { hashPassword, matchesHash } from './password.hash.ts'

/** Each takes 19 MiB and one of libuv's four threads, which files and names need too. */
const runningMax = 2
/** Beyond some seconds of waiting an answer helps nobody. */
const waitingMax = 100

/** Hashes passwords and compares with hashes, off the event loop, a few at once, so that a flood of sign-ins cannot take the memory. */
@Injectable()
export class Passwords {
  private running = 0
  private readonly waiting: (() => void)[] = []

  /** The PHC string to store. @throws ApiError 503 */
  async hash(password: string): Promise<string> {
    return this.inTurn(() => hashPassword(password))
  }

  /** @param hash null, for an account that is not there, costs the same. @throws ApiError 503 */
  async matches(password: string, hash: string | null): Promise<boolean> {
    return this.inTurn(() => matchesHash(password, hash))
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < runningMax) this.running++
    else await this.turn()
    try {
      return await work()
    } finally {
      const next = this.waiting.shift()
      // It takes the place that is given up here.
      if (next) next()
      else this.running--
    }
  }

  private async turn(): Promise<void> {
    if (this.waiting.length >= waitingMax) {
      const error = errorObject('service_unavailable', 'too many sign in at this moment')
      throw new ApiError([error], { 'retry-after': '5' })
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }
}
