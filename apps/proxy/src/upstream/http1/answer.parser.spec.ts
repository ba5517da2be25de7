import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AnswerFields } from './answer.fields.ts'
import { AnswerError, AnswerParser } from './answer.parser.ts'

interface Outcome {
  heads: [status: number, headers: unknown][]
  body: string
  trailers: unknown
  isComplete: boolean
  isReusable: boolean
}

/** What is read of the bytes when they come in these pieces. */
function read(pieces: readonly string[], isHead = false, isClosedThen = false): Outcome {
  const heads: Outcome['heads'] = []
  let body = ''
  const note = (status: number, fields: AnswerFields): void => void heads.push([status, { ...fields.toObject() }])
  const sink = { onInformation: note, onHead: note, onData: (chunk: Buffer) => void (body += chunk.toString('latin1')) }
  const parser = new AnswerParser(sink, true)
  parser.begin(isHead)
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1')
    parser.read(bytes)
    // The buffer is shared: what was kept must have been copied.
    bytes.fill(0)
  }
  if (isClosedThen) parser.end()
  const { trailers, isComplete, isReusable } = parser
  return { heads, body, trailers: { ...trailers.toObject() }, isComplete, isReusable }
}

const ok = 'HTTP/1.1 200 OK\r\n'
const answers: [name: string, text: string, wanted: Partial<Outcome>, isHead?: boolean][] = [
  ['a known length', `${ok}Content-Length: 3\r\nA: b\r\n\r\nxyz`, { body: 'xyz', isComplete: true, isReusable: true }],
  ['no body', `${ok}Content-Length: 0\r\n\r\n`, { body: '', isComplete: true, isReusable: true }],
  ['HEAD', `${ok}Content-Length: 3\r\n\r\n`, { body: '', isComplete: true, isReusable: true }, true],
  ['HEAD with chunks announced', `${ok}Transfer-Encoding: chunked\r\n\r\n`, { body: '', isComplete: true }, true],
  ['204', 'HTTP/1.1 204 No Content\r\n\r\n', { body: '', isComplete: true, isReusable: true }],
  ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', { body: '', isComplete: true }],
  ['no reason phrase', 'HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx', { body: 'x', isComplete: true }],
  [
    'chunks with extensions and trailers',
    `${ok}Transfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n2;a=b\r\nab\r\n0A\r\n0123456789\r\n0\r\nX: y\r\nX: z\r\n\r\n`,
    { body: 'ab0123456789', trailers: { x: ['y', 'z'] }, isComplete: true, isReusable: true },
  ],
  [
    'chunks without trailers',
    `${ok}transfer-encoding:chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
    { body: 'x', isComplete: true },
  ],
  ['equal lengths', `${ok}Content-Length: 2, 2\r\nContent-Length: 2\r\n\r\nab`, { body: 'ab', isComplete: true }],
  ['one length twice', `${ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\nab`, { body: 'ab', isComplete: true }],
  ['until it closes', `${ok}A: b\r\n\r\nall of it`, { body: 'all of it', isComplete: false, isReusable: false }],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', { body: 'x', isComplete: true, isReusable: false }],
  ['close', `${ok}Connection: x, Close\r\nContent-Length: 1\r\n\r\nx`, { isComplete: true, isReusable: false }],
  [
    'more than was asked for',
    `${ok}Content-Length: 1\r\n\r\nxHTTP/1.1 200 OK`,
    { isComplete: true, isReusable: false },
  ],
  [
    'informational answers',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${ok}Content-Length: 1\r\n\r\nx`,
    {
      heads: [
        [100, {}],
        [103, { link: 'x' }],
        [200, { 'content-length': '1' }],
      ],
      body: 'x',
      isComplete: true,
    },
  ],
  [
    'names with a space behind, blanks around values, bytes beyond ASCII, __proto__',
    `${ok}A : \t b c \t\r\nN: \xe9\r\nE:\r\nconstructor: d\r\nContent-Length: 0\r\n\r\n`,
    { heads: [[200, { a: 'b c', n: '\xe9', e: '', constructor: 'd', 'content-length': '0' }]], isComplete: true },
  ],
]

test.each(answers)('%s', (_name, text, wanted, isHead) => {
  expect(read([text], isHead)).toMatchObject(wanted)
})

test('an answer reads the same wherever it is cut', () => {
  const cases = answers.filter(([name]) => name !== 'more than was asked for')
  fc.assert(
    fc.property(
      fc.constantFrom(...cases),
      fc.array(fc.nat({ max: 200 }), { maxLength: 8 }),
      ([, text, , isHead], cuts) => {
        const places = [0, ...cuts.map((cut) => Math.min(cut, text.length)).toSorted((a, b) => a - b), text.length]
        const pieces = places.slice(1).map((place, i) => text.slice(places[i], place))
        expect(read(pieces, isHead)).toEqual(read([text], isHead))
      },
    ),
  )
  for (const [, text, , isHead] of cases) expect(read([...text], isHead)).toEqual(read([text], isHead))
})

test('an answer without a length is complete when the other side closes, a shorter one than it says is not', () => {
  expect(read([`${ok}\r\nall`], false, true)).toMatchObject({ body: 'all', isComplete: true })
  expect(read([`${ok}Content-Length: 4\r\n\r\nall`], false, true)).toMatchObject({ isComplete: false })
  expect(read([`${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nall\r\n`], false, true)).toMatchObject({
    isComplete: false,
  })
})

test.each([
  ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status beyond 599', 'HTTP/1.1 600 OK\r\n\r\n'],
  ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
  ['a folded line', `${ok}A: b\r\n c\r\n\r\n`],
  ['no colon', `${ok}A\r\n\r\n`],
  ['no name', `${ok}: a\r\n\r\n`],
  ['a name that is none', `${ok}A B: c\r\n\r\n`],
  ['a bare LF', `${ok}A: b\nC: d\r\n\r\n`],
  ['a bare CR', `${ok}A: b\rC: d\r\n\r\n`],
  ['a NUL', `${ok}A: \0\r\n\r\n`],
  ['length and coding', `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['two lengths', `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`],
  ['a length with blanks in it without end', `${ok}Content-Length: 1${' '.repeat(65_000)}1\r\n\r\n`],
  ['a negative length', `${ok}Content-Length: -1\r\n\r\n`],
  ['an unasked coding', `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ['gzip without chunks', `${ok}Transfer-Encoding: gzip\r\n\r\n`],
  ['a coding said twice', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a chunk size that is none', `${ok}Transfer-Encoding: chunked\r\n\r\nx\r\n`],
  ['a chunk longer than it says', `${ok}Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n`],
  ['a head without end', `${ok}A: ${'b'.repeat(70_000)}`],
  ['informational answers without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)],
])('%s is no answer', (_name, text) => {
  expect(() => read([text])).toThrow(AnswerError)
})
