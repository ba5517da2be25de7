// The admin API, as scripts use it.

const mediaType = 'application/vnd.api+json'

/** The document that is answered. @throws Error with the API's errors. */
export async function call(adminUrl, adminKey, method, route, attributes) {
  const response = await fetch(adminUrl + route, {
    method,
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json', accept: mediaType },
    body: attributes && JSON.stringify(attributes),
  })
  const document = await response.json()
  if (!response.ok) throw new Error(`${method} ${route}: ${JSON.stringify(document.errors)}`)
  return document
}
