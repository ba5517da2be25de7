import { ApiError, errorObject } from '@apigate/errors'

/** 401, with the challenge that RFC 9110 §15.5.2 demands. @param header the one that held the credentials. */
export function unauthorized(detail: string, header?: string): ApiError {
  return new ApiError([errorObject('unauthorized', detail, header === undefined ? undefined : { header })], {
    'www-authenticate': 'Bearer realm="apigate"',
  })
}
