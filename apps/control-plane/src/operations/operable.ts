import type { Type } from '@nestjs/common'
import type { Actor } from '../auth/index.ts'
import {
  EntryError,
  type Creation,
  type InputClass,
  type Meta,
  type ResourceDefinition,
  type Row,
  type ToManyWriter,
  type Update,
  type Written,
} from '../jsonapi/index.ts'
import { ApiKeyChanges, ApiKeyInput, apiKeyResource, ApiKeysService, keyNote } from '../resources/api-keys/index.ts'
import {
  GroupInput,
  groupResource,
  GroupsService,
  MemberChanges,
  MemberInput,
  memberResource,
  MembersService,
} from '../resources/groups/index.ts'
import { PlanInput, planResource, PlansService } from '../resources/plans/index.ts'
import { RouteInput, routeResource, RoutesService } from '../resources/routes/index.ts'
import { UpstreamInput, upstreamResource, UpstreamsService } from '../resources/upstreams/index.ts'
import { UserInput, userResource, UsersService } from '../resources/users/index.ts'
import { secretNote, WebhookInput, webhookResource, WebhooksService } from '../resources/webhooks/index.ts'

/** What a create made, with what is shown of it this once. */
export interface Created {
  row: Row
  meta?: Meta
}

// Each service takes its own class of input, which was read by that class.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyInput = any

/** The service of a resource, as its controller uses it; what it lacks is 403. */
export interface ResourceWriter {
  update?(id: string, update: Update<AnyInput>, actor: Actor): Promise<Written<Row>>
  delete?(id: string, actor: Actor): Promise<unknown>
}

/** A resource type that operations can write. */
export interface Operable {
  definition: ResourceDefinition
  Service: Type<ResourceWriter>
  Input: InputClass<object>
  /** What may be changed; where that is as much as may be set, the same class. */
  Changes: InputClass<object>
  /** Makes what consecutive operations add, all or none, in order. @throws EntryError about one of them. */
  create(service: ResourceWriter, creations: readonly Creation<AnyInput>[], actor: Actor): Promise<Created[]>
  /** The services behind relationships that are added to and removed from, by name. */
  toMany?: Readonly<Record<string, Type<ToManyWriter>>>
}

interface Creator extends ResourceWriter {
  create(creation: Creation<AnyInput>, actor: Actor): Promise<Written<Row>>
}

/** The list of all types that `POST /api/operations` writes. A plain one needs this line, and its module in the imports. */
export const operables: readonly Operable[] = [
  operable(planResource, PlansService, PlanInput),
  operable(userResource, UsersService, UserInput),
  {
    ...{ definition: apiKeyResource, Service: ApiKeysService, Input: ApiKeyInput, Changes: ApiKeyChanges },
    create: bulk(async (keys: ApiKeysService, creations, actor) => {
      const { row: made } = await keys.createMany(creations, actor)
      return made.map(({ row, key }) => ({ row, meta: { key, note: keyNote } }))
    }),
  },
  operable(upstreamResource, UpstreamsService, UpstreamInput),
  operable(routeResource, RoutesService, RouteInput),
  { ...operable(groupResource, GroupsService, GroupInput), toMany: { members: MembersService } },
  operable(memberResource, MembersService, MemberInput, MemberChanges),
  {
    ...{ definition: webhookResource, Service: WebhooksService, Input: WebhookInput, Changes: WebhookInput },
    create: oneByOne(async (webhooks: WebhooksService, creation, actor) => {
      const { written, secret } = await webhooks.create(creation, actor)
      return { row: written.row, meta: { secret, note: secretNote } }
    }),
  },
]

/** A resource whose service makes one at a time, with nothing that is shown once. */
function operable(
  definition: ResourceDefinition,
  Service: Type<Creator>,
  Input: InputClass<object>,
  Changes = Input,
): Operable {
  const create = oneByOne((service: Creator, creation, actor) => service.create(creation, actor))
  return { definition, Service, Input, Changes, create }
}

type CreateOne<S> = (service: S, creation: Creation<AnyInput>, actor: Actor) => Promise<Created>
type CreateMany<S> = (service: S, creations: readonly Creation<AnyInput>[], actor: Actor) => Promise<Created[]>

/** `service` is of the class that the same entry names. */
function bulk<S extends ResourceWriter>(create: CreateMany<S>): Operable['create'] {
  return (service, creations, actor) => create(service as S, creations, actor)
}

function oneByOne<S extends ResourceWriter>(create: CreateOne<S>): Operable['create'] {
  return bulk(async (service: S, creations, actor) => {
    const created: Created[] = []
    for (const creation of creations) {
      try {
        const { row, meta } = await create(service, creation, actor)
        created.push({ row, ...(meta && { meta }) })
      } catch (error) {
        throw new EntryError(created.length, error)
      }
    }
    return created
  })
}
