// SPDX-License-Identifier: GPL-2.0
#include <linux/in.h>
#include <linux/net.h>
#include <linux/tcp.h>
#include <net/tcp.h>

#include "adopt.h"
#include "compat.h"
#include "downstream.h"
#include "session.h"
#include "socket.h"

/* More than any MTU, so that nothing is capped by it. */
#define MCP_NO_MTU		0x20000

static int mcp_adopt_sequence(struct socket *sock, int queue, u32 seq)
{
	return mcp_socket_set_option(sock, SOL_TCP, TCP_REPAIR_QUEUE, queue) ?:
		mcp_socket_set_option(sock, SOL_TCP, TCP_QUEUE_SEQ, seq);
}

/*
 * The round trip that the handshake took is the first measurement (RFC 6298
 * section 2.2). If the SYN had to be repeated there is none, and connect() has
 * set the timer to three seconds (section 5.7).
 */
static void mcp_adopt_rtt(struct sock *sk, u32 rtt_us)
{
	struct tcp_sock *tp = tcp_sk(sk);

	if (!rtt_us || rtt_us > TCP_RTO_MAX / HZ * USEC_PER_SEC / 8)
		return;
	tp->srtt_us = rtt_us << 3;
	tp->mdev_us = rtt_us << 1;
	tp->rttvar_us = max(tp->mdev_us, tcp_rto_min_us(sk));
	tp->mdev_max_us = tp->rttvar_us;
	tp->rtt_seq = tp->snd_nxt;
	inet_csk(sk)->icsk_rto = min_t(u32, __tcp_set_rto(tp), TCP_RTO_MAX);
}

/*
 * What the two SYNs have agreed on: as tcp_rcv_synsent_state_process() does for a
 * socket that has sent its SYN itself. What our SYN offered is what the server
 * may use; so only what both have said counts.
 */
static void mcp_adopt_negotiated(struct sock *sk, const struct mcp_downstream *d,
				 const struct mcp_tcpopt *opt)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct tcp_options_received *rx = &tp->rx_opt;

	lock_sock(sk);
	WRITE_ONCE(tp->snd_wl1, d->irs);
	tp->snd_wnd = d->snd_window;
	tp->max_window = tp->snd_wnd;
	tp->rcv_wnd = d->window;
	tp->rcv_wup = tp->rcv_nxt;
	tp->rcv_ssthresh = min(tp->rcv_ssthresh, tp->rcv_wnd);

	rx->wscale_ok = opt->has_wscale && d->offers & MCP_OFFERS_WSCALE;
	rx->snd_wscale = rx->wscale_ok ? opt->wscale : 0;
	rx->rcv_wscale = rx->wscale_ok ? d->wscale : 0;
	if (!rx->wscale_ok)
		WRITE_ONCE(tp->window_clamp, min(tp->window_clamp, 65535U));
	rx->sack_ok = opt->sack_perm && d->offers & MCP_OFFERS_SACK ?
		TCP_SACK_SEEN : 0;
	rx->tstamp_ok = opt->has_ts && d->offers & MCP_OFFERS_TIMESTAMP;
	tp->tcp_header_len = sizeof(struct tcphdr);
	if (rx->tstamp_ok) {
		tp->tcp_header_len += TCPOLEN_TSTAMP_ALIGNED;
		tp->advmss -= TCPOLEN_TSTAMP_ALIGNED;
		rx->ts_recent = opt->tsval;
		rx->ts_recent_stamp = ktime_get_seconds();
		WRITE_ONCE(tp->tsoffset, d->ts_offset);
		mcp_tcp_use_ms_timestamps(tp);
	}
	rx->mss_clamp = opt->mss ?:
		(sk->sk_family == AF_INET ? MCP_DEFAULT_MSS4 : MCP_DEFAULT_MSS6);
	tcp_mtup_init(sk);
	/* No route's MTU: the next segment computes what hangs on that. */
	inet_csk(sk)->icsk_pmtu_cookie = MCP_NO_MTU;
	mcp_adopt_rtt(sk, d->rtt_us);
	/* The first segment that comes computes it anew. */
	tp->pred_flags = 0;
	release_sock(sk);
}

static int mcp_adopt_into(struct mcp_session *s, struct socket *sock)
{
	const struct mcp_downstream *d = &s->down;
	struct sockaddr_storage addr;
	struct mcp_tcpopt opt;
	int len, err;

	mcp_tcpopt_parse(mcp_downstream_synack(d)->options,
			 mcp_downstream_synack(d)->len, &opt);
	err = mcp_socket_set_option(sock, SOL_TCP, TCP_REPAIR, TCP_REPAIR_ON) ?:
		(mcp_downstream_foreign(s) ? mcp_socket_set_foreign(sock) : 0);
	if (err)
		return err;
	len = mcp_socket_address(&d->tuple.external, &addr);
	err = kernel_bind(sock, (struct sockaddr *)&addr, len) ?:
		mcp_adopt_sequence(sock, TCP_SEND_QUEUE, d->isn + 1) ?:
		mcp_adopt_sequence(sock, TCP_RECV_QUEUE, d->irs + 1);
	if (err)
		return err;
	mcp_socket_set_tos(sock, s->tos);
#if IS_ENABLED(CONFIG_IPV6)
	/* One label for all of the connection, and that is the one of our SYN. */
	if (sock->sk->sk_family == AF_INET6)
		mcp_socket_set_option(sock, SOL_IPV6, IPV6_AUTOFLOWLABEL, 0);
#endif
	/* Sends nothing, waits for nothing. */
	len = mcp_socket_address(&d->tuple.server, &addr);
	err = kernel_connect(sock, (struct sockaddr *)&addr, len, 0);
	if (err)
		return err;
	mcp_adopt_negotiated(sock->sk, d, &opt);
	err = mcp_socket_set_option(sock, SOL_TCP, TCP_REPAIR,
				    TCP_REPAIR_OFF_NO_WP);
	/* Programs of the host may listen on a port that is another's. */
	if (!err && inet_sk_transparent(sock->sk))
		sock_set_reuseaddr(sock->sk);
	return err;
}

/**
 * mcp_adopt() - put a socket in the place of a half-open connection
 * @s: the session; the server has accepted
 * @res: the socket, established; the server waits for its ACK
 *
 * Checkpoint and restore's way (TCP_REPAIR) of making a socket that is in the
 * middle of a connection. Before our ACK, most servers say nothing but their
 * SYN/ACK again; one that knows our Fast Open cookie, or has opened at the same
 * time, may, and repeats what nat.c drops.
 *
 * Context: the worker.
 * Return: 0 or a negative error.
 */
int mcp_adopt(struct mcp_session *s, struct socket **res)
{
	struct socket *sock;
	int err;

	err = sock_create_kern(s->mnet->net, s->down.tuple.server.family,
			       SOCK_STREAM, IPPROTO_TCP, &sock);
	if (err)
		return err;
	err = mcp_adopt_into(s, sock);
	if (err) {
		/* No word to the server: nat.c still has the connection. */
		mcp_socket_set_option(sock, SOL_TCP, TCP_REPAIR, TCP_REPAIR_ON);
		sock_release(sock);
		return err;
	}
	tcp_sock_set_nodelay(sock->sk);
	/* Other sessions of the endpoint share the port, see connect.c. */
	sock_set_reuseaddr(sock->sk);
	*res = sock;
	return 0;
}
