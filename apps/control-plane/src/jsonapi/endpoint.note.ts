import type { ResourceDefinition, ToMany } from './definition.ts'
import type { InputClass } from './input.ts'
import type { JsonSchema } from './json-schema.ts'

/**
 * What decorators say of a controller's method, kept for the API's description (openapi/): whoever reads a body by
 * `FromCreation(userResource, UserInput)` has said what the body looks like.
 */
export type EndpointNote =
  | { kind: 'id'; definition: ResourceDefinition }
  | { kind: 'list' | 'item' | 'write'; definition: ResourceDefinition }
  | { kind: 'creation' | 'update' | 'action'; definition: ResourceDefinition; Input: InputClass<object> }
  | { kind: 'related' | 'linkage' | 'replacement'; definition: ResourceDefinition }
  | { kind: 'manyLinkage' | 'manyChange'; definition: ResourceDefinition; many: ToMany }
  | { kind: 'description'; description: EndpointDescription }

/** What the parameters of a method do not tell, or tell wrongly. */
export interface EndpointDescription {
  /** One line, without a full stop. */
  summary?: string
  /** Markdown. */
  description?: string
  /** Of the operation, for generated clients. */
  operationId?: string
  /** A flat body: the schema of the whole. */
  body?: JsonSchema
  /** Attributes of a flat body, to be shown. */
  example?: object
  /** `meta` of the resource object that is answered. */
  meta?: JsonSchema
  /** The answer of success, where it is not that of its kind (200 or 201 and the resource, or 204). */
  answer?: {
    status?: number
    description?: string
    /** Answers with a document of this resource. */
    resource?: ResourceDefinition
    /** Answers with this, as `application/json` unless another type is named. */
    schema?: JsonSchema
    mediaType?: string
    headers?: Record<string, JsonSchema>
  }
}

const notes = new WeakMap<object, Map<string | symbol, EndpointNote[]>>()

/** Adds a note to the method on which the decorator, or that of its parameter, stands. */
export function noteEndpoint(prototype: object, method: string | symbol, note: EndpointNote): void {
  const ofClass = notes.get(prototype) ?? new Map<string | symbol, EndpointNote[]>()
  notes.set(prototype, ofClass.set(method, [...(ofClass.get(method) ?? []), note]))
}

/** The notes on a controller's method. */
export function endpointNotes(prototype: object, method: string | symbol): readonly EndpointNote[] {
  return notes.get(prototype)?.get(method) ?? []
}

/** The same parameter decorator, with a note of what it reads. */
export function noting(note: EndpointNote, decorate: ParameterDecorator): ParameterDecorator {
  return (target, method, index) => {
    if (method !== undefined) noteEndpoint(target, method, note)
    decorate(target, method, index)
  }
}

/** Notes what a method does that the decorators of its parameters do not say. */
export function Noted(note: EndpointNote): MethodDecorator {
  return (target, method) => noteEndpoint(target, method, note)
}

/** Words and shapes for the API's description. */
export const Describe = (description: EndpointDescription): MethodDecorator =>
  Noted({ kind: 'description', description })
