// SPDX-License-Identifier: GPL-2.0-only
//
// The load of the benchmark: a server, and clients that open connections to it by way of
// whatever is measured, or keep some open. One thread per CPU, each with an epoll of its own.
//
// A client says in 16 octets what it wants: so many octets ('D', or 'H' to keep the connection
// then), or to send so many ('U'). The server answers with them, or with one octet when it has
// them, and closes, but for 'H'.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <endian.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nlohmann/json.hpp>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int ipproto_mptcp = 262;
constexpr int tcp_fastopen_no_cookie = 34;
constexpr size_t block = 256 * 1024;
constexpr size_t wish_size = 16;

[[noreturn]] void die(const std::string& what)
{
    fmt::print(stderr, "load: {}: {}\n", what, strerror(errno));
    exit(1);
}

// A file descriptor; closed with it.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd()
    {
        if (fd_ >= 0)
            close(fd_);
    }
    int operator*() const { return fd_; }

private:
    int fd_ = -1;
};

struct Where {
    std::string address; // IPv4
    uint16_t port = 0;

    sockaddr_in name() const
    {
        sockaddr_in in = {};

        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        if (inet_pton(AF_INET, address.c_str(), &in.sin_addr) != 1) {
            errno = EINVAL;
            die(address);
        }
        return in;
    }
};

void watch(int epoll, int fd, uint32_t events, void* what, int operation = EPOLL_CTL_ADD)
{
    epoll_event event = {.events = events, .data = {.ptr = what}};

    if (epoll_ctl(epoll, operation, fd, &event))
        die("epoll_ctl");
}

bool would_block()
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS;
}

// ---------------------------------------------------------------- server

struct Served {
    explicit Served(int fd) : fd(fd) {}
    Fd fd;
    size_t wished = 0; // octets of `wish` that are there
    unsigned char wish[wish_size] = {};
    uint64_t left = 0;
    bool ending = false;
};

uint64_t wish_of(const unsigned char* wish)
{
    uint64_t size = 0;

    memcpy(&size, wish + 8, sizeof(size));
    return be64toh(size);
}

// Goes on with a connection; false: it is over.
bool serve_one(Served& c, std::vector<char>& buffer, int epoll)
{
    while (c.wished < wish_size) {
        const ssize_t n = recv(*c.fd, c.wish + c.wished, wish_size - c.wished, 0);

        if (n < 0)
            return would_block();
        if (n == 0)
            return false;
        c.wished += static_cast<size_t>(n);
        if (c.wished < wish_size)
            continue;
        c.left = wish_of(c.wish);
        if (c.wish[0] != 'U')
            watch(epoll, *c.fd, EPOLLOUT, &c, EPOLL_CTL_MOD);
    }
    if (c.ending) {
        const ssize_t n = recv(*c.fd, buffer.data(), buffer.size(), 0);

        return n < 0 ? would_block() : n > 0;
    }
    while (c.left) {
        const size_t size = std::min<uint64_t>(c.left, buffer.size());
        const ssize_t n = c.wish[0] != 'U' ? send(*c.fd, buffer.data(), size, MSG_NOSIGNAL)
                                           : recv(*c.fd, buffer.data(), size, 0);
        if (n < 0)
            return would_block();
        if (n == 0)
            return false;
        c.left -= static_cast<uint64_t>(n);
    }
    if (c.wish[0] == 'U' && send(*c.fd, "k", 1, MSG_NOSIGNAL) != 1)
        return false;
    c.ending = true;
    watch(epoll, *c.fd, EPOLLIN, &c, EPOLL_CTL_MOD);
    return c.wish[0] == 'H' || shutdown(*c.fd, SHUT_WR) == 0;
}

void serve_thread(const Where& where, int protocol)
{
    const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    const sockaddr_in name = where.name();
    const int one = 1;
    std::vector<char> buffer(block, 'x');
    std::vector<epoll_event> events(256);

    setsockopt(*listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(*listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    if (bind(*listener, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) ||
        listen(*listener, 65'535))
        die(fmt::format("listen at {}:{}", where.address, where.port));
    watch(*epoll, *listener, EPOLLIN, nullptr);
    for (;;) {
        const int count = epoll_wait(*epoll, events.data(), static_cast<int>(events.size()), -1);

        for (int i = 0; i < count; i++) {
            auto* served = static_cast<Served*>(events[static_cast<size_t>(i)].data.ptr);

            if (served) {
                if (!serve_one(*served, buffer, *epoll))
                    delete served;
                continue;
            }
            for (;;) {
                const int fd = accept4(*listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd < 0)
                    break;
                watch(*epoll, fd, EPOLLIN, new Served(fd));
            }
        }
    }
}

// --------------------------------------------------------------- clients

enum class By { direct, mp_convert, socks5 };

struct Plan {
    By by = By::direct;
    int protocol = 0;
    Where server;
    Where proxy;
    bool upload = false;
    uint64_t size = 1024;
    unsigned int connections = 1;
    double warm_up = 0.5;
    double seconds = 3;
    bool hold = false;
    std::string source; // addresses to bind to, in turn, from this one on
    unsigned int sources = 0;
};

// What the clients of one thread have seen in the time that counts.
struct Seen {
    uint64_t finished = 0;
    uint64_t failed = 0;
    uint64_t octets = 0;
    std::vector<uint32_t> first_us; // from connect() to the first octet of the answer
};

struct Run {
    const Plan& plan;
    std::atomic<bool> counts = false;
    std::atomic<bool> over = false;
    std::atomic<unsigned int> held = 0;
};

class Client {
public:
    enum class State { opening, method, granting, working, held };

    Client(Run& run, Seen& seen, int epoll, unsigned int number)
        : run_(run), seen_(seen), epoll_(epoll), number_(number)
    {
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client();

    void open();
    void proceed(std::vector<char>& buffer);

private:
    bool step(std::vector<char>& buffer);
    bool step_socks(const char* octets, size_t size);
    bool wish();
    bool work(std::vector<char>& buffer);
    bool read_reply(size_t size);
    void failed()
    {
        if (run_.counts)
            seen_.failed++;
    }

    Run& run_;
    Seen& seen_;
    const int epoll_;
    unsigned int number_;
    Fd fd_ = {};
    State state_ = State::opening;
    Clock::time_point began_ = {};
    bool heard_ = false;
    bool late_ = false; // the request could not go with the SYN
    uint64_t left_ = 0;
    size_t reply_ = 0; // octets of SOCKS5 replies that are there
};

// Resets the connection. Were it only closed, an MPTCP socket would wait for the server to end a
// stream that has no end, and both would keep what they have queued.
Client::~Client()
{
    sockaddr nobody = {};

    nobody.sa_family = AF_UNSPEC;
    if (*fd_ >= 0)
        connect(*fd_, &nobody, sizeof(nobody));
}

using Request = std::array<unsigned char, 16>;

// docs/protocol.md: Magic Number; length 10, D = 0, family 1; address; port.
static Request mp_convert(const Where& server)
{
    Request request = {0xfa, 0xa8, 0xfa, 0xa8, 0, 10, 0, 1};
    const sockaddr_in name = server.name();

    memcpy(request.data() + 8, &name.sin_addr, 4);
    memcpy(request.data() + 12, &name.sin_port, 2);
    return request;
}

void Client::open()
{
    const Plan& plan = run_.plan;
    const Where& to = plan.by == By::direct ? plan.server : plan.proxy;
    const sockaddr_in name = to.name();
    const int one = 1;

    fd_ = Fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, plan.protocol));
    if (*fd_ < 0)
        die("socket");
    if (plan.sources) {
        sockaddr_in source = Where{plan.source, 0}.name();

        source.sin_addr.s_addr = htonl(ntohl(source.sin_addr.s_addr) + number_ % plan.sources);
        setsockopt(*fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
        if (bind(*fd_, reinterpret_cast<const sockaddr*>(&source), sizeof(source)))
            die("bind");
    }
    state_ = State::opening;
    heard_ = false;
    reply_ = 0;
    left_ = plan.size;
    began_ = Clock::now();
    ssize_t done = 0;
    late_ = false;
    if (plan.by == By::mp_convert) {
        const Request request = mp_convert(plan.server);

        setsockopt(*fd_, IPPROTO_TCP, tcp_fastopen_no_cookie, &one, sizeof(one));
        done = sendto(*fd_, request.data(), request.size(), MSG_FASTOPEN | MSG_NOSIGNAL,
                      reinterpret_cast<const sockaddr*>(&name), sizeof(name));
        // Linux before 6.2 has no data in the SYN of an MPTCP socket.
        late_ = done < 0 && errno == EOPNOTSUPP;
    }
    if (plan.by != By::mp_convert || late_)
        done = connect(*fd_, reinterpret_cast<const sockaddr*>(&name), sizeof(name));
    if (done < 0 && !would_block()) {
        failed();
        usleep(1000);
    }
    watch(epoll_, *fd_, EPOLLOUT, this);
}

bool Client::wish()
{
    std::array<unsigned char, std::tuple_size_v<Request> + wish_size> octets = {};
    const uint64_t size = htobe64(run_.plan.size);
    size_t before = 0;

    if (late_) {
        const Request request = mp_convert(run_.plan.server);
        std::copy(request.begin(), request.end(), octets.begin());
        before = request.size();
    }
    octets[before] = run_.plan.upload ? 'U' : run_.plan.hold ? 'H' : 'D';
    memcpy(octets.data() + before + 8, &size, sizeof(size));
    state_ = State::working;
    watch(epoll_, *fd_, run_.plan.upload ? EPOLLIN | EPOLLOUT : EPOLLIN, this, EPOLL_CTL_MOD);
    const size_t all = before + wish_size;
    return send(*fd_, octets.data(), all, MSG_NOSIGNAL) == static_cast<ssize_t>(all);
}

bool Client::read_reply(size_t size)
{
    char octets[10];
    const ssize_t n = recv(*fd_, octets, size - reply_, 0);

    if (n <= 0)
        return n < 0 && would_block();
    reply_ += static_cast<size_t>(n);
    return true;
}

bool Client::work(std::vector<char>& buffer)
{
    if (run_.plan.upload && left_) {
        const ssize_t n =
            send(*fd_, buffer.data(), std::min<uint64_t>(left_, buffer.size()), MSG_NOSIGNAL);
        if (n < 0)
            return would_block();
        left_ -= static_cast<uint64_t>(n);
        if (run_.counts)
            seen_.octets += static_cast<uint64_t>(n);
        if (!left_)
            watch(epoll_, *fd_, EPOLLIN, this, EPOLL_CTL_MOD);
        return true;
    }
    const ssize_t n = recv(*fd_, buffer.data(), buffer.size(), 0);
    if (n < 0)
        return would_block();
    if (!heard_ && n > 0) {
        heard_ = true;
        if (run_.counts)
            seen_.first_us.push_back(static_cast<uint32_t>(
                std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began_)
                    .count()));
    }
    if (n > 0) {
        if (!run_.plan.upload) {
            left_ -= std::min<uint64_t>(left_, static_cast<uint64_t>(n));
            if (run_.counts)
                seen_.octets += static_cast<uint64_t>(n);
        }
        if (run_.plan.hold && !left_) {
            state_ = State::held;
            run_.held++;
        }
        return true;
    }
    // The server closes.
    if (state_ == State::held)
        return false;
    if (run_.counts) {
        if (left_)
            seen_.failed++;
        else
            seen_.finished++;
    }
    left_ = 0;
    fd_ = Fd();
    if (!run_.over)
        open();
    return true;
}

// Goes on; false: the connection has failed.
bool Client::step(std::vector<char>& buffer)
{
    switch (state_) {
    case State::opening: {
        int error = 0;
        socklen_t size = sizeof(error);

        getsockopt(*fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error)
            return false;
        if (run_.plan.by != By::socks5)
            return wish();
        state_ = State::method;
        watch(epoll_, *fd_, EPOLLIN, this, EPOLL_CTL_MOD);
        return send(*fd_, "\x05\x01\x00", 3, MSG_NOSIGNAL) == 3;
    }
    case State::method: {
        if (!read_reply(2))
            return false;
        if (reply_ < 2)
            return true;
        const sockaddr_in server = run_.plan.server.name();
        char request[10] = {5, 1, 0, 1};

        memcpy(request + 4, &server.sin_addr, 4);
        memcpy(request + 8, &server.sin_port, 2);
        state_ = State::granting;
        reply_ = 0;
        return send(*fd_, request, sizeof(request), MSG_NOSIGNAL) == sizeof(request);
    }
    case State::granting:
        if (!read_reply(10))
            return false;
        return reply_ < 10 || wish();
    case State::working:
    case State::held:
        return work(buffer);
    }
    return false;
}

void Client::proceed(std::vector<char>& buffer)
{
    if (step(buffer))
        return;
    failed();
    fd_ = Fd();
    if (!run_.over)
        open();
}

void client_thread(Run& run, Seen& seen, unsigned int first, unsigned int step)
{
    const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<char> buffer(block, 'x');
    std::vector<epoll_event> events(256);

    for (unsigned int i = first; i < run.plan.connections; i += step) {
        clients.push_back(std::make_unique<Client>(run, seen, *epoll, i));
        clients.back()->open();
        // So many at once that nothing has to be dropped.
        if (run.plan.hold && clients.size() % 64 == 0) {
            while (clients.size() > 256 + run.held / step && !run.over) {
                const int count =
                    epoll_wait(*epoll, events.data(), static_cast<int>(events.size()), 10);
                for (int j = 0; j < count; j++)
                    static_cast<Client*>(events[static_cast<size_t>(j)].data.ptr)->proceed(buffer);
            }
        }
    }
    while (!run.over) {
        const int count = epoll_wait(*epoll, events.data(), static_cast<int>(events.size()), 50);

        for (int i = 0; i < count; i++)
            static_cast<Client*>(events[static_cast<size_t>(i)].data.ptr)->proceed(buffer);
    }
}

uint32_t at(const std::vector<uint32_t>& sorted, double part)
{
    return sorted.empty() ? 0 : sorted[static_cast<size_t>(part * double(sorted.size() - 1))];
}

void pause(double seconds)
{
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

void say(const std::string& line)
{
    fmt::print("{}\n", line);
    fflush(stdout);
}

void get(const Plan& plan, unsigned int threads)
{
    Run run{plan};
    std::vector<Seen> seen(threads);
    std::vector<std::thread> running;

    for (unsigned int i = 0; i < threads; i++)
        running.emplace_back(client_thread, std::ref(run), std::ref(seen[i]), i, threads);
    if (plan.hold) {
        // Until all are there, and then until somebody says that it is enough.
        run.counts = true;
        while (run.held < plan.connections)
            pause(0.05);
        say("held");
        while (getchar() != EOF)
            ;
    } else {
        pause(plan.warm_up);
        say("begin");
        run.counts = true;
    }
    const auto began = Clock::now();
    if (!plan.hold)
        pause(plan.seconds);
    run.counts = false;
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    run.over = true;
    say("end");
    for (std::thread& thread : running)
        thread.join();

    Seen all;
    for (Seen& one : seen) {
        all.finished += one.finished;
        all.failed += one.failed;
        all.octets += one.octets;
        all.first_us.insert(all.first_us.end(), one.first_us.begin(), one.first_us.end());
    }
    std::sort(all.first_us.begin(), all.first_us.end());
    say(nlohmann::json({{"seconds", seconds},
                        {"connections", all.finished},
                        {"failed", all.failed},
                        {"octets", all.octets},
                        {"first_us", at(all.first_us, 0.5)},
                        {"first_us_p90", at(all.first_us, 0.9)}})
            .dump());
}

} // namespace

int main(int argc, char** argv)
{
    CLI::App app("The load of the benchmark.");
    unsigned int threads = std::max(1U, std::thread::hardware_concurrency());
    Plan plan;
    bool mptcp = false;
    const std::map<std::string, By> ways = {
        {"direct", By::direct}, {"mp-convert", By::mp_convert}, {"socks5", By::socks5}};

    signal(SIGPIPE, SIG_IGN);
    const rlimit files = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_NOFILE, &files);
    app.require_subcommand(1);
    app.add_option("--threads", threads, "threads; as many as CPUs");
    app.add_flag("--mptcp", mptcp, "MPTCP sockets");
    CLI::App* serve = app.add_subcommand("serve", "serve until killed");
    serve->add_option("address", plan.server.address)->required();
    serve->add_option("port", plan.server.port)->required();
    CLI::App* client = app.add_subcommand("get", "open connections, and measure");
    client->add_option("address", plan.server.address, "the server's")->required();
    client->add_option("port", plan.server.port)->required();
    client->add_option("--by", plan.by, "how the server is named to the proxy")
        ->transform(CLI::CheckedTransformer(ways));
    client->add_option("--proxy", plan.proxy.address, "the proxy's address");
    client->add_option("--proxy-port", plan.proxy.port);
    client->add_option("--source", plan.source, "the first address to come from");
    client->add_option("--sources", plan.sources, "how many there are");
    client->add_flag("--upload", plan.upload, "send, instead of to be sent");
    client->add_option("--size", plan.size, "octets of a connection");
    client->add_option("--connections", plan.connections, "at a time");
    client->add_option("--warm-up", plan.warm_up, "seconds that do not count");
    client->add_option("--seconds", plan.seconds, "seconds that do");
    client->add_flag("--hold", plan.hold,
                     "keep the connections after --size octets, until the end of the input");
    CLI11_PARSE(app, argc, argv);

    plan.protocol = mptcp ? ipproto_mptcp : 0;
    if (client->parsed()) {
        get(plan, std::min(threads, plan.connections));
        return 0;
    }
    std::vector<std::thread> running;
    for (unsigned int i = 0; i < threads; i++)
        running.emplace_back(serve_thread, std::cref(plan.server), plan.protocol);
    for (std::thread& thread : running)
        thread.join();
}
