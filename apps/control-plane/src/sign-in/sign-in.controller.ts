import { ApiError } from '@apigate/errors'
import { Controller, Get, Post, Req } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import {
  csrfToken,
  CurrentActor,
  Origins,
  Public,
  sessionCookie,
  SessionOnly,
  sessionToken,
  type Actor,
} from '../auth/index.ts'
import {
  createdAnswer,
  deletedAnswer,
  Describe,
  document,
  FromCreation,
  FromWriteQuery,
  InputError,
  ok,
  readItemQuery,
  refuseQuery,
  resourceAnswer,
  type Answer,
  type Creation,
  type ItemQuery,
} from '../jsonapi/index.ts'
import { apiKeyResource, ApiKeysService } from '../resources/api-keys/index.ts'
import { sessionResource, SessionsService } from '../resources/sessions/index.ts'
import { userResource, UsersService } from '../resources/users/index.ts'
import { PasswordChangeInput, SignInInput } from './sign-in.input.ts'
import { SignInService } from './sign-in.service.ts'

const csrfMeta = { type: 'object', properties: { csrf_token: { type: 'string' } } }

@Controller('auth')
export class SignInController {
  constructor(
    private readonly signIns: SignInService,
    private readonly sessions: SessionsService,
    private readonly users: UsersService,
    private readonly keys: ApiKeysService,
    private readonly origins: Origins,
  ) {}

  @Post('login')
  @Public()
  @Describe({ summary: 'Sign in', operationId: 'signIn', meta: csrfMeta })
  async login(
    @FromCreation(sessionResource, SignInInput) { id, input }: Creation<SignInInput>,
    @FromWriteQuery(sessionResource) query: ItemQuery,
    @Req() request: FastifyRequest,
  ): Promise<Answer> {
    if (id !== undefined) throw InputError.of('forbidden', 'id', 'a session is given its id')
    // Else another site could sign a browser in as somebody else, unnoticed by who uses it.
    if (request.headers.origin !== undefined && !this.origins.isOwn(request)) {
      throw ApiError.of('forbidden', 'the Origin is not one of this API', { header: 'Origin' })
    }
    const { written, token } = await this.signIns.signIn(input, {
      ...{ requestId: request.id, address: request.ip, userAgent: request.headers['user-agent'] },
      replacedToken: sessionToken(request),
    })
    const answer = createdAnswer(sessionResource, query, written, { csrf_token: csrfToken(token) })
    return this.withCookie(answer, token, request)
  }

  @Post('logout')
  @SessionOnly()
  @Describe({ summary: 'Sign out', operationId: 'signOut', answer: { status: 204 } })
  async logout(@CurrentActor() actor: Actor, @Req() request: FastifyRequest): Promise<Answer> {
    refuseQuery(request.url)
    return this.withCookie(deletedAnswer(await this.sessions.end(actor.sessionId ?? '', actor)), null, request)
  }

  @Get('me')
  @Describe({
    summary: 'Who calls: the user who has signed in, or the API key',
    operationId: 'getMe',
    answer: { resource: userResource },
    meta: csrfMeta,
  })
  async me(@CurrentActor() { type, id, sessionId }: Actor, @Req() request: FastifyRequest): Promise<Answer> {
    if (type === 'api_key') {
      const query = readItemQuery(apiKeyResource, request.url)
      return resourceAnswer(apiKeyResource, query, await this.keys.get(id ?? '', query.include))
    }
    const query = readItemQuery(userResource, request.url)
    const meta = { session_id: sessionId, csrf_token: csrfToken(sessionToken(request) ?? '') }
    return resourceAnswer(userResource, query, await this.users.get(id ?? '', query.include), meta)
  }

  @Post('password')
  @SessionOnly()
  @Describe({ summary: 'Change your password', operationId: 'changePassword', answer: { status: 204 } })
  async changePassword(
    @FromCreation(userResource, PasswordChangeInput) { id, input }: Creation<PasswordChangeInput>,
    @CurrentActor() actor: Actor,
    @Req() request: FastifyRequest,
  ): Promise<Answer> {
    refuseQuery(request.url)
    if (id !== undefined && id !== actor.id) throw InputError.of('conflict', 'id', `you are ${actor.id}`)
    return deletedAnswer(await this.signIns.changePassword(input, actor))
  }

  @Get('setup-required')
  @Public()
  @Describe({
    summary: 'Whether nobody can sign in yet',
    operationId: 'getSetupRequired',
    answer: {
      schema: { type: 'object', properties: { meta: { properties: { setup_required: { type: 'boolean' } } } } },
      mediaType: 'application/vnd.api+json',
    },
  })
  async setupRequired(@Req() request: FastifyRequest): Promise<Answer> {
    refuseQuery(request.url)
    return ok(document({ meta: { setup_required: !(await this.users.hasAdmin()) } }))
  }

  private withCookie(answer: Answer, token: string | null, request: FastifyRequest): Answer {
    const cookie = sessionCookie(token, this.origins.isHttps(request))
    return { ...answer, headers: { ...answer.headers, 'set-cookie': cookie } }
  }
}
