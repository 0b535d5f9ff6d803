/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of a conversion, from the request to the end: what protocol.md
 * sections 3 and 4 say, and nothing of how.
 */
#ifndef MCP_CONVERSION_H
#define MCP_CONVERSION_H

#include "convert.h"
#include "session.h"
#include "stats.h"

enum mcp_verdict {
	MCP_VERDICT_GO,			/* dial (or answer an Info TLV) */
	MCP_VERDICT_ERROR,		/* Convert: tell the client @code */
	MCP_VERDICT_RESET,
	MCP_VERDICT_SILENCE,
};

/**
 * struct mcp_vetting - what is to become of a request
 * @verdict:	enum mcp_verdict
 * @code:	enum mcp_convert_error, for MCP_VERDICT_ERROR
 * @reason:	the counter of the refusal; nothing for MCP_VERDICT_GO
 */
struct mcp_vetting {
	u8 verdict;
	u8 code;
	enum mcp_stat reason;
};

struct mcp_vetting mcp_conversion_vet(struct mcp_net *mnet,
				      const struct mcp_acl *acl,
				      enum mcp_decode decoded,
				      struct mcp_request *req, const u8 *data,
				      const struct mcp_endpoint *client,
				      bool mptcp);
struct mcp_vetting mcp_conversion_refusal(struct mcp_net *mnet, u8 codec,
					  u8 code, enum mcp_stat reason);
void mcp_conversion_work(struct work_struct *work);
void mcp_conversion_count_request(struct mcp_session *s);
void mcp_conversion_begin(struct mcp_session *s, bool early);
void mcp_conversion_error(struct mcp_session *s, u8 code);
void mcp_conversion_late(struct mcp_net *mnet,
			 const struct mcp_session_key *key,
			 struct socket *sock);

#endif /* MCP_CONVERSION_H */
