const AUTHORITY =
  'Set ssl.ca of the connection to the certificate of the authority that has signed the one of the server ' +
  '(sslrootcert in a URL)'
const CLIENT =
  'Set ssl.cert and ssl.key of the connection to a certificate that an authority of the ssl_ca_file of the server ' +
  'has signed, and to its key (sslcert and sslkey in a URL)'

/** What is said of a failed TLS connection, and which option of the connection mends it; the more specific first. */
const REMEDIES: readonly [said: RegExp, remedy: string][] = [
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT))/,
    AUTHORITY,
  ],
  [/^CERT_SIGNATURE_FAILURE/, AUTHORITY],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID/,
    'Set host of the connection to a name that the certificate of the server has (its subjectAltName), or have it ' +
      'made for this one',
  ],
  [
    /^CERT_HAS_EXPIRED/,
    'Have the certificate of the server (ssl_cert_file) renewed, and with it the one in ssl.ca of the connection',
  ],
  [/^CERT_NOT_YET_VALID/, 'Check the clock of this machine, and the certificate of the server (ssl_cert_file)'],
  [
    /server does not support SSL/i,
    'Set ssl of the connection to false (sslmode=disable in a URL), or ssl = on in the configuration of the server',
  ],
  [/valid client certificate|certificate authentication failed/i, CLIENT],
  [
    /ALERT_(UNKNOWN_CA|CERTIFICATE_REQUIRED|BAD_CERTIFICATE|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|HANDSHAKE_FAILURE)/,
    CLIENT,
  ],
  [
    /no pg_hba\.conf entry.*no encryption/i,
    'Set ssl of the connection to { ca }, with the certificate of the authority (sslmode=verify-full and ' +
      'sslrootcert in a URL)',
  ],
  [/KEY_VALUES_MISMATCH/, 'Set ssl.key of the connection to the key that belongs to ssl.cert'],
  [
    /^ERR_OSSL|^ERR_SSL.*PEM/,
    'Set ssl.ca, ssl.cert and ssl.key of the connection to the text of PEM files, not to their names',
  ],
  [
    /channel binding/i,
    'The server that answers does not know the password. Set host and ssl.ca of the connection to those of that server',
  ],
]

/** What mends a connection that failed for its encryption; undefined for any other failure. */
export function tlsRemedy(code: string, message: string): string | undefined {
  return REMEDIES.find(([said]) => said.test(code) || said.test(message))?.[1]
}

/** Files that a URL names are read while it is parsed. */
export function isFileOfConnection(error: unknown): boolean {
  const { syscall, code } = error as NodeJS.ErrnoException
  return syscall === 'open' && (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR')
}
