import { Injectable } from '@nestjs/common'
import { SignInRepository } from './sign-in.repository.ts'
import { subjectOf, type Attempt, type Bound } from './sign-in.subject.ts'

const windowSeconds = 15 * 60

/**
 * Failed attempts that are let through in a quarter of an hour, checked in this order. One address can add only so much to
 * the count of an account: many are needed to keep its owner out, and the owner's address is then no better than theirs. See
 * decision 9.
 */
const bounds: readonly [Bound, number][] = [
  ['address', 50],
  ['account_from_address', 10],
  ['account', 200],
]

export interface Refusal {
  bound: Bound
  /** Whether nothing was refused for this before, in this window. */
  first: boolean
  /** Until it is worth trying again. */
  seconds: number
}

/**
 * Bounds the guessing of passwords, over all replicas. An attempt is counted before the password is looked at, so that many at
 * once are no way around, and given back when the password was right.
 */
@Injectable()
export class SignInThrottle {
  constructor(private readonly counts: SignInRepository) {}

  /** Null when the attempt may go on. */
  async begin(attempt: Attempt): Promise<Refusal | null> {
    await this.counts.deleteOver()
    for (const [bound, attemptsMax] of bounds) {
      const { attempts, seconds } = await this.counts.count(subjectOf(bound, attempt), attemptsMax, windowSeconds)
      if (attempts > attemptsMax) return { bound, first: attempts === attemptsMax + 1, seconds: Math.max(seconds, 1) }
    }
    return null
  }

  /** Somebody with a password of their own must not clear what they count for against others. */
  async succeed(attempt: Attempt): Promise<void> {
    await this.counts.forget(subjectOf('account_from_address', attempt))
    await this.counts.uncount(subjectOf('address', attempt))
    await this.counts.uncount(subjectOf('account', attempt))
  }
}
