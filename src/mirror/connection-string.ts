import { SnapheapError } from '../errors'

const FORM = 'postgres://user:password@host:5432/database'
const ENCODE =
  'Write such characters of user and password as encodeURIComponent gives them, or pass { host, user, password, ' +
  'database }.'

/**
 * Throws `INVALID_ARGUMENT`, saying what `pg` could not read or would take for something else. Shows nothing of a
 * password.
 */
export function ensureConnectionString(text: string): void {
  if (text.startsWith('/')) return // the folder of a socket, and a database
  if (!/^(postgres(ql)?|socket):\/\//i.test(text)) {
    const isKeywords = /^\s*\w+\s*=/.test(text)
    throw unreadable(
      isKeywords ? 'is of keywords and values, which is not read' : 'does not begin with postgres://',
      `Pass a URL like ${FORM}, or { host, port, user, password, database }.`,
    )
  }
  const authority = text.replace(/^\w+:\/\//, '').replace(/[/?#].*$/s, '')
  if (/,/.test(authority.slice(authority.lastIndexOf('@') + 1)))
    throw unreadable('names several hosts', 'Name one: that of the primary, or an address that follows it.')
  const url = parsed(text)
  if (url === undefined) throw unreadable(`is no URL like ${FORM}`, ENCODE)
  if (url.hash !== '') throw unreadable('has a "#" that ends it', ENCODE)
  if (url.username === '' && `${url.pathname}${url.search}`.includes('@'))
    throw unreadable('has a "/" or "?" before its host', ENCODE)
  if (!isDecodable(`${url.username}${url.password}${url.pathname}`))
    throw unreadable('has a "%" that begins no code', ENCODE)
}

function parsed(text: string): URL | undefined {
  for (const each of [text, text.replace('@/', '@none/')]) {
    try {
      return new URL(each)
    } catch {} // the second form is for a URL without a host
  }
  return undefined
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function unreadable(what: string, remedy: string): SnapheapError {
  return new SnapheapError('INVALID_ARGUMENT', `The connection string ${what}. ${remedy}`)
}
