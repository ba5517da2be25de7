import { ApiError } from '@apigate/errors'
import { describe, expect, test } from 'vitest'
import { collectionAnswer, createdAnswer, relatedAnswer, resourceAnswer } from './answer.ts'
import { defineResource, type NewestRows, type ResourceDefinition, type Row } from './definition.ts'
import type { ResourceObject } from './document.ts'
import { readItemQuery, readListQuery } from './query.ts'

interface PlanRow {
  id: string
  name: string
}
interface UserRow {
  id: string
  email: string
  unitsTotal: bigint
  createdAt: Date
  planId: string | null
  plan?: PlanRow | null
}
interface KeyRow {
  id: string
  prefix: string
  userId: string
  user?: UserRow
}

const plans = defineResource<PlanRow>({
  ...{ type: 'plans', path: '/p', idPrefix: 'plan' },
  attributes: { name: { kind: 'text' } },
})
const users = defineResource<UserRow>({
  ...{ type: 'users', path: '/u', idPrefix: 'usr' },
  attributes: { email: { kind: 'text' }, units_total: { kind: 'bigint' }, created_at: { kind: 'timestamp' } },
  relationships: { plan: { target: () => plans, nullable: true } },
})
const keys = defineResource<KeyRow>({
  ...{ type: 'keys', path: '/k', idPrefix: 'key' },
  attributes: { prefix: { kind: 'text' } },
  relationships: { user: { target: () => users } },
})

const plan: PlanRow = { id: 'plan_1', name: 'Pro' }
const createdAt = new Date('2026-01-02T03:04:05.678Z')
const user: UserRow = { id: 'usr_1', email: 'a@b.c', unitsTotal: 9_000_000_000n, createdAt, planId: 'plan_1', plan }
const key = (id: string): KeyRow => ({ id, prefix: 'ak_1', userId: 'usr_1', user })

describe('a resource object', () => {
  test('shows attributes, linkage and links', () => {
    const { document } = resourceAnswer(users, readItemQuery(users, '/u/usr_1'), user)
    expect(document).toEqual({
      jsonapi: { version: '1.1' },
      data: {
        type: 'users',
        id: 'usr_1',
        attributes: { email: 'a@b.c', units_total: 9_000_000_000, created_at: '2026-01-02T03:04:05.678Z' },
        relationships: {
          plan: {
            data: { type: 'plans', id: 'plan_1' },
            links: { self: '/u/usr_1/relationships/plan', related: '/u/usr_1/plan' },
          },
        },
        links: { self: '/u/usr_1' },
      },
      links: { self: '/u/usr_1' },
    })
  })

  test('has null for an empty relationship, and no relationships where there are none', () => {
    const query = readItemQuery(users, '/u/usr_1')
    const { document } = resourceAnswer(users, query, { ...user, planId: null, plan: null } as UserRow)
    expect(document?.data).toMatchObject({ relationships: { plan: { data: null } } })
    expect(resourceAnswer(plans, readItemQuery(plans, '/p/plan_1'), plan).document?.data).not.toHaveProperty(
      'relationships',
    )
    expect(relatedAnswer(plans, readItemQuery(plans, '/u/usr_1/plan'), null).document?.data).toBeNull()
  })

  test('shows the fields that were asked for', () => {
    const { document } = resourceAnswer(users, readItemQuery(users, '/u/usr_1?fields[users]=email'), user)
    expect(document?.data).toEqual({
      ...{ type: 'users', id: 'usr_1', attributes: { email: 'a@b.c' }, links: { self: '/u/usr_1' } },
    })
  })

  test('is announced by Location and links.self alike when it is new', () => {
    const answer = createdAnswer(users, readItemQuery(users, '/u'), { row: user, revision: 7n }, { key: 'k' })
    expect(answer.status).toBe(201)
    expect(answer.headers).toEqual({ location: '/u/usr_1', 'x-config-revision': '7' })
    expect(answer.document?.data).toMatchObject({ links: { self: '/u/usr_1' }, meta: { key: 'k' } })
  })
})

describe('a compound document', () => {
  const include = (query: string) => {
    const page = { rows: [key('key_1'), key('key_2')], total: 2 }
    return collectionAnswer(keys, readListQuery(keys, `/k?${query}`), page).document?.included
  }

  test('holds each related resource once, intermediate ones too', () => {
    const shown = include('include=user.plan')?.map(({ type, id }) => `${type} ${id}`)
    expect(shown).toEqual(['users usr_1', 'plans plan_1'])
  })

  test('has included only when it was asked for, even if empty', () => {
    expect(include('')).toBeUndefined()
    expect(include('include=')).toEqual([])
    expect(include('include=user&fields[users]=')).toMatchObject([{ type: 'users', attributes: {} }])
  })
})

describe('a to-many relationship', () => {
  const members = defineResource<{ id: string; role: string; groupId: string; userId: string }>({
    ...{ type: 'members', path: '/m', idPrefix: 'mem', attributes: { role: { kind: 'text' } } },
    relationships: { group: { target: () => groups }, user: { target: () => users } },
  })
  const groups: ResourceDefinition = defineResource<{ id: string; name: string }>({
    ...{ type: 'groups', path: '/g', idPrefix: 'grp', attributes: { name: { kind: 'text' } } },
    toMany: { members: { target: () => members, inverse: 'group' } },
  })
  const deeds = defineResource<{ id: string; groupId: string; memberId: string }>({
    ...{ type: 'deeds', path: '/d', idPrefix: 'dee', attributes: {} },
    relationships: { group: { target: () => groups }, member: { target: () => members } },
  })
  const links = { self: '/g/grp_1/relationships/members', related: '/g/grp_1/members' }
  const member = (id: string) => ({ id, role: 'x', groupId: 'grp_1', userId: 'usr_1', user })
  const group = { id: 'grp_1', name: 'g' }
  const newest = (rows: Row[], more = false): NewestRows => ({ rows, size: 2, more })

  test('has links alone until its resources are included, and then the linkage to each of them', () => {
    const plain = resourceAnswer(groups, readItemQuery(groups, '/g/grp_1'), group)
    expect(plain.document?.data).toMatchObject({ relationships: { members: { links } } })
    expect(plain.document?.data).not.toHaveProperty('relationships.members.data')

    const loaded = { ...group, members: newest([member('mem_1'), member('mem_2')]) }
    const query = readItemQuery(groups, '/g/grp_1?include=members.user')
    const { document } = resourceAnswer(groups, query, loaded)
    expect(document?.data).toMatchObject({
      relationships: { members: { links, data: ['mem_1', 'mem_2'].map((id) => ({ type: 'members', id })) } },
    })
    expect(document?.included?.map(({ id }) => id)).toEqual(['mem_1', 'usr_1', 'mem_2'])
    const empty = resourceAnswer(groups, query, { ...group, members: newest([]) } as typeof group)
    expect(empty.document?.data).toMatchObject({ relationships: { members: { data: [] } } })
    expect(empty.document?.included).toEqual([])
  })

  test('of which not all is included leads to the linkage of the others', () => {
    const loaded = { ...group, members: newest([member('mem_1'), member('mem_2')], true) }
    const { document } = resourceAnswer(groups, readItemQuery(groups, '/g/grp_1?include=members'), loaded)
    const { members: shown } = (document?.data as ResourceObject | undefined)?.relationships ?? {}
    expect(shown?.data).toHaveLength(2)
    expect(document?.included).toHaveLength(2)
    expect(shown?.links['next']).toBe('/g/grp_1/relationships/members?page%5Bnumber%5D=2&page%5Bsize%5D=2')
  })

  test('of a resource that two paths lead to is linked in full, whichever of them comes first', () => {
    const deed = {
      ...{ id: 'dee_1', groupId: 'grp_1', memberId: 'mem_9', group },
      member: { ...member('mem_9'), group: { ...group, members: newest([member('mem_1'), member('mem_9')]) } },
    }
    for (const include of ['group,member.group.members', 'member.group.members,group']) {
      const { document } = resourceAnswer(deeds, readItemQuery(deeds, `/d/dee_1?include=${include}`), deed)
      const included = Object.groupBy(document?.included ?? [], ({ type }) => type)
      expect(included['groups']).toMatchObject([
        { relationships: { members: { data: [{ id: 'mem_1' }, { id: 'mem_9' }] } } },
      ])
      expect(included['members']?.map(({ id }) => id).toSorted()).toEqual(['mem_1', 'mem_9'])
    }
  })

  test('is followed once in a path, so that a document stays bounded', () => {
    for (const path of ['members.group.members', 'members.group.members.user']) {
      expect(() => readItemQuery(groups, `/g/grp_1?include=${path}`)).toThrow(ApiError)
    }
    expect(readItemQuery(members, '/m/mem_1?include=group.members.user').include?.size).toBe(1)
  })
})

describe('links between pages', () => {
  const linksOf = (query: string, total: number) =>
    collectionAnswer(keys, readListQuery(keys, `/k?${query}`), { rows: [], total }).document

  test('keep every other parameter and encode brackets', () => {
    expect(linksOf('page[number]=2&page[size]=10&filter[prefix]=a b&sort=prefix', 35)?.links).toEqual({
      self: '/k?page%5Bnumber%5D=2&page%5Bsize%5D=10&filter%5Bprefix%5D=a+b&sort=prefix',
      first: '/k?page%5Bnumber%5D=1&page%5Bsize%5D=10&filter%5Bprefix%5D=a+b&sort=prefix',
      prev: '/k?page%5Bnumber%5D=1&page%5Bsize%5D=10&filter%5Bprefix%5D=a+b&sort=prefix',
      next: '/k?page%5Bnumber%5D=3&page%5Bsize%5D=10&filter%5Bprefix%5D=a+b&sort=prefix',
      last: '/k?page%5Bnumber%5D=4&page%5Bsize%5D=10&filter%5Bprefix%5D=a+b&sort=prefix',
    })
  })

  test.each([
    ['', 0, { total: 0, page: 1, per_page: 20, pages: 1 }, ['self', 'first', 'last']],
    ['', 20, { total: 20, page: 1, per_page: 20, pages: 1 }, ['self', 'first', 'last']],
    ['', 21, { total: 21, page: 1, per_page: 20, pages: 2 }, ['self', 'first', 'last', 'next']],
    ['page[number]=2', 21, { total: 21, page: 2, per_page: 20, pages: 2 }, ['self', 'first', 'last', 'prev']],
    ['page[number]=9', 21, { total: 21, page: 9, per_page: 20, pages: 2 }, ['self', 'first', 'last', 'prev']],
  ])('"%s" of %i', (query, total, meta, names) => {
    const document = linksOf(query, total)
    expect(document?.meta).toEqual(meta)
    expect(Object.keys(document?.links ?? {})).toEqual(names)
  })

  test('lead from beyond the end to the last page', () => {
    expect(linksOf('page[number]=9', 21)?.links?.['prev']).toBe('/k?page%5Bnumber%5D=2')
  })
})
