import { ApiError } from '@apigate/errors'
import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites, type Effect } from '../../audit/index.ts'
import { Passwords, type Actor } from '../../auth/index.ts'
import { userItem } from '../../config-publisher/index.ts'
import {
  existing,
  InputError,
  refuseChanges,
  rowFields,
  type Creation,
  type IncludeTree,
  type ListQuery,
  type Page,
  type Update,
  type Written,
} from '../../jsonapi/index.ts'
import type { Transaction } from '../../persistence/index.ts'
import { PlansService } from '../plans/index.ts'
import { goneEvent, resourceEvent, type WebhookEvent } from '../../webhook-outbox/index.ts'
import type { UserInput, UserRole } from './users.input.ts'
import { UsersRepository, type UserRow } from './users.repository.ts'
import { userResource } from './users.resource.ts'

const dayMs = 86_400_000

@Injectable()
export class UsersService {
  constructor(
    private readonly users: UsersRepository,
    private readonly plans: PlansService,
    private readonly passwords: Passwords,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<UserRow>> {
    return this.users.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<UserRow> {
    return existing(userResource, id, await this.users.find(id, include))
  }

  async create({ id, input }: Creation<UserInput>, actor: Actor): Promise<Written<UserRow>> {
    const { password, ...attributes } = input
    refuseUselessPassword(password, input.role ?? 'customer')
    const secret = await this.secretOf(password)
    return this.writes.run(actor, async (tx) => this.insert(tx, id, attributes, secret))
  }

  /** The admin account of a first start: made unless somebody can sign in already. False when another user has the address. */
  async createFirstAdmin(email: string, password: string, actor: Actor): Promise<boolean> {
    if (await this.users.hasAdmin()) return true
    const secret = await this.secretOf(password)
    const { row } = await this.writes.run(actor, async (tx) => {
      await this.users.lockAdmins(tx)
      const none = { audit: [], items: [] }
      if (await this.users.hasAdmin(null, tx)) return { row: true, ...none }
      if (await this.users.emailTaken(tx, email)) return { row: false, ...none }
      return { ...(await this.insert(tx, undefined, { email, role: 'admin' }, secret)), row: true }
    })
    return row
  }

  /** Whether anybody can sign in. */
  async hasAdmin(): Promise<boolean> {
    return this.users.hasAdmin()
  }

  async update(id: string, update: Update<UserInput>, actor: Actor): Promise<Written<UserRow>> {
    const { password, ...input } = update.input
    const secret = await this.secretOf(password)
    return this.writes.run(actor, async (tx) => {
      const before = existing(userResource, id, await this.users.lock(tx, id))
      refuseChanges(userResource, before, update)
      refuseUselessPassword(password, input.role ?? before.role)
      // Who has a disabled plan keeps it; the trial is that of the new plan.
      const moves = input.plan_id !== undefined && input.plan_id !== before.planId
      const trial = moves ? { trialEndsAt: trialEnd((await this.plans.assignable(tx, input.plan_id)).trialDays) } : {}
      const row = await this.users.update(tx, id, { ...rowFields(input), ...trial, ...secret, ...demotion(input) })
      if (canSignIn(before) && !canSignIn(row)) await this.keepAnAdmin(tx, id)
      const passwordSet = row.passwordHash !== before.passwordHash
      if (!canSignIn(row)) await this.users.endSessions(tx, id, null)
      else if (passwordSet) await this.users.endSessions(tx, id, actor.sessionId ?? null)
      const audit = [auditEntry(userResource, 'update', before, row)]
      // Masked, the one looks like the other.
      if (passwordSet) audit.push(auditEntry(userResource, 'set_password', before, row))
      return { row, audit, items: [userItem(row)], events: updateEvents(before, row) }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(userResource, id, await this.users.lock(tx, id))
      const groups = await this.users.countOwnedGroups(tx, id)
      if (groups > 0) throw ApiError.of('conflict', `still the owner of ${groups} groups`)
      if (canSignIn(before)) await this.keepAnAdmin(tx, id)
      const keys = await this.users.lockKeys(tx, id)
      await this.users.delete(tx, id)
      return {
        row: null,
        audit: [auditEntry(userResource, 'delete', before, null)],
        items: [
          ...keys.map((key) => ({ kind: 'key', op: 'delete', id: key.id }) as const),
          { kind: 'user', op: 'delete', id },
        ],
        events: keys.filter(({ revoked }) => !revoked).map((key) => goneEvent('key.revoked', 'api_keys', key.id)),
      }
    })
  }

  /** The user stays until the transaction ends. @throws InputError 404 about the field when there is none such. */
  async mustExist(tx: Transaction, id: string, field: string): Promise<void> {
    const kept = await this.keep(tx, [id])
    if (!kept.has(id)) throw InputError.of('not_found', field, `there is no user "${id}"`)
  }

  /** Those of the ids that users have; they stay until the transaction ends. */
  async keep(tx: Transaction, ids: readonly string[]): Promise<Set<string>> {
    return this.users.keep(tx, ids)
  }

  private async insert(
    tx: Transaction,
    id: string | undefined,
    input: Omit<UserInput, 'password'>,
    secret: Secret,
  ): Promise<Effect<UserRow>> {
    const plan = await this.plans.assignable(tx, input.plan_id)
    const row = await this.users.insert(tx, {
      ...{ id: id ?? newId('usr'), email: '', ...rowFields(input), ...secret },
      ...{ planId: plan.id, trialEndsAt: trialEnd(plan.trialDays) },
    })
    return {
      row,
      audit: [auditEntry(userResource, 'create', null, row)],
      items: [userItem(row)],
      events: [resourceEvent('user.created', userResource, null, row)],
    }
  }

  /** Before the transaction, which must not wait for a slow hash. */
  private async secretOf(password: string | null | undefined): Promise<Secret> {
    if (password === undefined) return {}
    return { passwordHash: password === null ? null : await this.passwords.hash(password) }
  }

  /** @throws ApiError 409 when nobody else can sign in. */
  private async keepAnAdmin(tx: Transaction, id: string): Promise<void> {
    await this.users.lockAdmins(tx)
    if (!(await this.users.hasAdmin(id, tx))) {
      throw ApiError.of('conflict', 'nobody else can sign in: give another user the role admin and a password first')
    }
  }
}

type Secret = { passwordHash?: string | null }

function canSignIn({ role, status, passwordHash }: UserRow): boolean {
  return role === 'admin' && status === 'active' && passwordHash !== null
}

/** Who becomes an admin again later does so with a new password. */
function demotion({ role }: UserInput): Secret {
  return role === 'customer' ? { passwordHash: null } : {}
}

function refuseUselessPassword(password: string | null | undefined, role: UserRole): void {
  if (typeof password !== 'string' || role === 'admin') return
  throw InputError.of('validation_error', 'password', 'only a user with the role admin can sign in')
}

function updateEvents(before: UserRow, row: UserRow): WebhookEvent[] {
  const suspended = row.status === 'suspended' && before.status !== 'suspended'
  const types = [
    'user.updated' as const,
    ...(suspended ? (['user.suspended'] as const) : []),
    ...(row.planId === before.planId ? [] : (['plan.changed'] as const)),
  ]
  return types.map((type) => resourceEvent(type, userResource, before, row))
}

function trialEnd(trialDays: number): Date | null {
  return trialDays > 0 ? new Date(Date.now() + trialDays * dayMs) : null
}
