/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All counters: MCP_STAT(enumerator, name shown to the user). To be included
 * where MCP_STAT() is defined. mptcpproxyctl(8) explains each.
 */

/* requests */
MCP_STAT(REQUEST_MP_CONVERT, "request-mp-convert")
MCP_STAT(REQUEST_CONVERT, "request-convert")
MCP_STAT(REQUEST_INFO_ONLY, "request-info-only")
MCP_STAT(REQUEST_LATE, "request-late")
MCP_STAT(SYN_WITHOUT_REQUEST, "syn-without-request")
MCP_STAT(SYN_JOIN, "syn-join")
MCP_STAT(SYN_RETRANSMITTED, "syn-retransmitted")
MCP_STAT(SYN_OF_ESTABLISHED, "syn-of-established")
MCP_STAT(SYN_REPLACED, "syn-replaced")
MCP_STAT(EARLY_DATA_OCTETS, "early-data-octets")

/* refused: one reason each */
MCP_STAT(REFUSED_ACL, "refused-acl")
MCP_STAT(REFUSED_NOT_A_REQUEST, "refused-not-a-request")
MCP_STAT(REFUSED_MALFORMED, "refused-malformed")
MCP_STAT(REFUSED_NOT_MPTCP, "refused-not-mptcp")
MCP_STAT(REFUSED_COOKIE_MISSING, "refused-cookie-missing")
MCP_STAT(REFUSED_COOKIE_WRONG, "refused-cookie-wrong")
MCP_STAT(REFUSED_DESTINATION, "refused-destination")
MCP_STAT(REFUSED_OPTION, "refused-option")
MCP_STAT(REFUSED_RATE, "refused-rate")
MCP_STAT(REFUSED_HALF_OPEN, "refused-half-open")
MCP_STAT(REFUSED_HALF_OPEN_CLIENT, "refused-half-open-client")
MCP_STAT(REFUSED_MAX_SESSIONS, "refused-max-sessions")
MCP_STAT(REFUSED_MAX_CLIENTS, "refused-max-clients")
MCP_STAT(REFUSED_NO_MEMORY, "refused-no-memory")
MCP_STAT(REFUSED_LATE_REQUEST_OFF, "refused-late-request-off")
MCP_STAT(REFUSED_REQUEST_TIMEOUT, "refused-request-timeout")
MCP_STAT(REFUSED_REQUEST_INCOMPLETE, "refused-request-incomplete")
MCP_STAT(REFUSED_CHECKSUM, "refused-checksum")

/* what the client was told */
MCP_STAT(REPLY_RESET, "reply-reset")
MCP_STAT(REPLY_ERROR, "reply-error")
MCP_STAT(REPLY_SUPPRESSED, "reply-suppressed")
MCP_STAT(SYN_ANSWERED, "syn-answered")
MCP_STAT(SYN_ANSWERED_EARLY, "syn-answered-early")
MCP_STAT(ECHO_SENT, "echo-sent")
MCP_STAT(ECHO_FAILED, "echo-failed")

/* the dial */
MCP_STAT(DIAL, "dial")
MCP_STAT(DIAL_ACCEPTED, "dial-accepted")
MCP_STAT(DIAL_REFUSED, "dial-refused")
MCP_STAT(DIAL_UNREACHABLE, "dial-unreachable")
MCP_STAT(DIAL_TIMEOUT, "dial-timeout")
MCP_STAT(DIAL_NO_RESOURCES, "dial-no-resources")
MCP_STAT(DIAL_SOFT_ERROR, "dial-soft-error")
MCP_STAT(DIAL_SYN_WITHHELD, "dial-syn-withheld")
MCP_STAT(DIAL_OPTIONS_LEFT_OUT, "dial-options-left-out")

/* sessions */
MCP_STAT(SESSION_NEW, "session-new")
MCP_STAT(SESSION_BOUND, "session-bound")
MCP_STAT(SESSION_MPTCP, "session-mptcp")
MCP_STAT(SESSION_CLOSED, "session-closed")
MCP_STAT(SESSION_CLIENT_RESET, "session-client-reset")
MCP_STAT(SESSION_SERVER_RESET, "session-server-reset")
MCP_STAT(SESSION_CLIENT_GONE, "session-client-gone")
MCP_STAT(SESSION_REFUSED, "session-refused")
MCP_STAT(SESSION_UNREACHABLE, "session-unreachable")
MCP_STAT(SESSION_SYN_TIMEOUT, "session-syn-timeout")
MCP_STAT(SESSION_BAD_REQUEST, "session-bad-request")
MCP_STAT(SESSION_ERROR_SENT, "session-error-sent")
MCP_STAT(SESSION_NO_RESOURCES, "session-no-resources")
MCP_STAT(SESSION_DOWN, "session-down")
MCP_STAT(SESSION_HOLD_EXPIRED, "session-hold-expired")
MCP_STAT(SESSION_IDLE, "session-idle")
MCP_STAT(SESSION_PROBED, "session-probed")
MCP_STAT(SESSION_FLUSHED, "session-flushed")
MCP_STAT(OCTETS_UP, "octets-up")
MCP_STAT(OCTETS_DOWN, "octets-down")
