import { Injectable } from '@nestjs/common'
import { Database, type Transaction } from '../persistence/index.ts'

/** An account as far as signing in goes. */
export interface Account {
  id: string
  email: string
  status: string
  role: string
  passwordHash: string | null
}

@Injectable()
export class SignInRepository {
  constructor(private readonly database: Database) {}

  async findByEmail(email: string): Promise<Account | null> {
    const [account] = await this.database.prisma.$queryRaw<Account[]>`
      SELECT id, email, status::text, role::text, password_hash AS "passwordHash"
      FROM users WHERE lower(email) = lower(${email})`
    return account ?? null
  }

  async findById(id: string): Promise<Account | null> {
    return this.database.prisma.user.findUnique({ where: { id } })
  }

  /** The same, kept from changing until the transaction ends. */
  async lock(tx: Transaction, id: string): Promise<Account | null> {
    await tx.$queryRaw`SELECT 1 FROM users WHERE id = ${id} FOR UPDATE`
    return tx.user.findUnique({ where: { id } })
  }

  async setPasswordHash(tx: Transaction, id: string, passwordHash: string): Promise<void> {
    await tx.user.update({ where: { id }, data: { passwordHash } })
  }

  /**
   * Counts one more attempt against a bound, beyond which it counts one further only.
   *
   * @returns how many there were in this window, this one too, and in how many seconds the next one begins.
   */
  async count(
    subject: Uint8Array<ArrayBuffer>,
    attemptsMax: number,
    windowSeconds: number,
  ): Promise<{ attempts: number; seconds: number }> {
    const [counted] = await this.database.prisma.$queryRaw<{ attempts: number; seconds: number }[]>`
      INSERT INTO sign_in_counts AS c (subject, attempts, resets_at)
      VALUES (${subject}, 1, now() + make_interval(secs => ${windowSeconds}))
      ON CONFLICT (subject) DO UPDATE SET
        attempts = CASE WHEN c.resets_at <= now() THEN 1 ELSE least(c.attempts + 1, ${attemptsMax} + 2) END,
        resets_at = CASE WHEN c.resets_at <= now() THEN excluded.resets_at ELSE c.resets_at END
      RETURNING attempts, ceil(extract(epoch FROM resets_at - now()))::integer AS seconds`
    if (!counted) throw new Error('an INSERT that returns nothing')
    return counted
  }

  /** Takes one attempt back. */
  async uncount(subject: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.database.prisma.$executeRaw`
      UPDATE sign_in_counts SET attempts = attempts - 1 WHERE subject = ${subject} AND attempts > 0`
  }

  async forget(subject: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.database.prisma.signInCount.deleteMany({ where: { subject } })
  }

  /** Some at a time: more than an attempt can add. */
  async deleteOver(): Promise<void> {
    await this.database.prisma.$executeRaw`
      DELETE FROM sign_in_counts WHERE subject IN (
        SELECT subject FROM sign_in_counts WHERE resets_at <= now() LIMIT 20 FOR UPDATE SKIP LOCKED)`
  }
}
