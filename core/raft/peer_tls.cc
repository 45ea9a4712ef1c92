// Tested by tests/core/raft/peer_tls_test.cc.
#include "core/raft/peer_tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <climits>

#include "core/base/check.h"

namespace keelson::raft {

namespace {

constexpr std::size_t kChunk = 16 * 1024;

template <typename T, void (*free_it)(T*)>
struct Freed {
  void operator()(T* pointer) const { free_it(pointer); }
};
using SslPtr = std::unique_ptr<SSL, Freed<SSL, SSL_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, FreeBio>;

// What OpenSSL says of the latest failure.
std::string reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* const text = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return text != nullptr ? text : "no reason given";
}

Error wrong(const char* flag, const std::string& what) {
  return {ErrorCode::invalid_argument, fmt::format("{}: {}", flag, what)};
}

BioPtr reader_of(const std::string& text) {
  CHECK(text.size() <= INT_MAX);
  BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  CHECK(bio != nullptr);
  return bio;
}

CertificatePtr next_certificate(BIO* bio) {
  CertificatePtr certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
  ERR_clear_error();  // The end of the text is one.
  return certificate;
}

Result<void> use_certificate(SSL_CTX* context, const std::string& text) {
  const BioPtr bio = reader_of(text);
  const CertificatePtr own = next_certificate(bio.get());
  if (own == nullptr) return wrong("peer-cert", "is no certificate in PEM");
  if (SSL_CTX_use_certificate(context, own.get()) != 1) return wrong("peer-cert", reason());
  while (CertificatePtr between = next_certificate(bio.get())) {
    if (SSL_CTX_add1_chain_cert(context, between.get()) != 1) return wrong("peer-cert", reason());
  }
  return {};
}

Result<void> use_key(SSL_CTX* context, const std::string& text) {
  const BioPtr bio = reader_of(text);
  // A key under a pass phrase is refused: nobody is there to be asked.
  const auto no_phrase = [](char*, int, int, void*) { return 0; };
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_phrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) return wrong("peer-key", "is no private key in PEM without a pass phrase");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return wrong("peer-key", "does not belong to the certificate: " + reason());
  }
  return {};
}

Result<void> use_authorities(SSL_CTX* context, const std::string& text) {
  const BioPtr bio = reader_of(text);
  int count = 0;
  while (CertificatePtr authority = next_certificate(bio.get())) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1) {
      return wrong("peer-ca", reason());
    }
    ++count;
  }
  if (count == 0) return wrong("peer-ca", "is no certificate in PEM");
  return {};
}

}  // namespace

struct TlsContext::Handle {
  SSL_CTX* const context = SSL_CTX_new(TLS_method());
  ~Handle() { SSL_CTX_free(context); }
};

// The SSL never suspends: it reads from one memory and writes to another, and the fiber that called
// moves octets between those and the stream. So a fiber that reads and one that writes share it.
class TlsContext::Secured : public TlsConnection {
 public:
  Secured(SSL_CTX* context, std::unique_ptr<Connection> stream)
      : stream_(std::move(stream)), ssl_(SSL_new(context)) {
    CHECK(ssl_ != nullptr);
    from_stream_ = BIO_new(BIO_s_mem());
    to_stream_ = BIO_new(BIO_s_mem());
    CHECK(from_stream_ != nullptr && to_stream_ != nullptr);
    SSL_set_bio(ssl_.get(), from_stream_, to_stream_);  // Which owns them now.
  }

  SSL* ssl() { return ssl_.get(); }

  Result<void> shake_hands(Deadline deadline) {
    while (true) {
      ERR_clear_error();
      const int done = SSL_do_handshake(ssl_.get());
      const int why = SSL_get_error(ssl_.get(), done);
      const std::string said = done == 1 || why == SSL_ERROR_WANT_READ ? "" : reason();
      // A refusal has something to say, too.
      const auto flushed = flush(deadline);
      if (!said.empty()) return refusal(said);
      if (!flushed) return flushed.error();
      if (done == 1) return {};
      TRY(const std::size_t count, fill(deadline));
      if (count == 0) return Error{ErrorCode::connection_lost, "it closed in the TLS handshake"};
    }
  }

  Result<std::size_t> read(std::span<char> into, Deadline deadline) override {
    while (true) {
      ERR_clear_error();
      std::size_t size = 0;
      const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &size);
      if (done == 1) return size;
      const int why = SSL_get_error(ssl_.get(), done);
      if (why == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
      if (why != SSL_ERROR_WANT_READ) return lost();
      TRY(const std::size_t count, fill(deadline));
      if (count == 0) return std::size_t{0};
    }
  }

  Result<void> write(BytesView bytes, Deadline deadline) override {
    ERR_clear_error();
    std::size_t size = 0;
    if (!bytes.empty() && (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &size) != 1 ||
                           size != bytes.size())) {
      return lost();
    }
    return flush(deadline);
  }

  void shutdown_write() override { stream_->shutdown_write(); }
  void reset() override { stream_->reset(); }
  void set_on_break(std::function<void()> on_break) override {
    stream_->set_on_break(std::move(on_break));
  }
  Address peer() const override { return stream_->peer(); }

  bool certifies(NodeId id) const override {
    X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
    CHECK(certificate != nullptr);  // No handshake succeeds without one.
    const std::string name = to_string(id);
    constexpr unsigned kFlags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS;
    return X509_check_host(certificate, name.data(), name.size(), kFlags, nullptr) == 1;
  }

 private:
  Error refusal(const std::string& said) const {
    const long verified = SSL_get_verify_result(ssl_.get());
    return {ErrorCode::invalid_argument,
            verified == X509_V_OK
                ? fmt::format("TLS: {}", said)
                : fmt::format("TLS: {}: {}", said, X509_verify_cert_error_string(verified))};
  }

  static Error lost() { return {ErrorCode::connection_lost, "TLS: " + reason()}; }

  // Hands the stream what the SSL has written.
  Result<void> flush(Deadline deadline) {
    char chunk[kChunk];
    while (BIO_ctrl_pending(to_stream_) > 0) {
      const int size = BIO_read(to_stream_, chunk, sizeof chunk);
      CHECK(size > 0);
      TRY(stream_->write(BytesView(chunk, static_cast<std::size_t>(size)), deadline));
    }
    return {};
  }

  // Hands the SSL what the stream has; 0 at its end.
  Result<std::size_t> fill(Deadline deadline) {
    char chunk[kChunk];
    TRY(const std::size_t count, stream_->read(chunk, deadline));
    if (count > 0) {
      CHECK(BIO_write(from_stream_, chunk, static_cast<int>(count)) == static_cast<int>(count));
    }
    return count;
  }

  const std::unique_ptr<Connection> stream_;
  const SslPtr ssl_;
  BIO* from_stream_ = nullptr;
  BIO* to_stream_ = nullptr;
};

TlsContext::TlsContext(std::unique_ptr<Handle> handle, const Clock& clock)
    : handle_(std::move(handle)), clock_(clock) {}

TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::make(const TlsMaterial& material,
                                                     const Clock& clock) {
  // The machine's configuration of OpenSSL has no say in what a node does.
  CHECK(OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1);
  auto handle = std::make_unique<Handle>();
  SSL_CTX* const context = handle->context;
  CHECK(context != nullptr);
  CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  CHECK(SSL_CTX_set_num_tickets(context, 0) == 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  TRY(use_certificate(context, material.certificate));
  TRY(use_key(context, material.key));
  TRY(use_authorities(context, material.authorities));
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(handle), clock));
}

Result<std::unique_ptr<TlsConnection>> TlsContext::begin(std::unique_ptr<Connection> stream,
                                                         bool dials, Deadline deadline) {
  auto secured = std::make_unique<Secured>(handle_->context, std::move(stream));
  if (dials) {
    SSL_set_connect_state(secured->ssl());
  } else {
    SSL_set_accept_state(secured->ssl());
  }
  X509_VERIFY_PARAM_set_time(SSL_get0_param(secured->ssl()), clock_.wall_ms() / 1000);
  TRY(secured->shake_hands(deadline));
  return std::unique_ptr<TlsConnection>(std::move(secured));
}

Result<std::unique_ptr<TlsConnection>> TlsContext::dial(std::unique_ptr<Connection> stream,
                                                        Deadline deadline) {
  return begin(std::move(stream), true, deadline);
}

Result<std::unique_ptr<TlsConnection>> TlsContext::accept(std::unique_ptr<Connection> stream,
                                                          Deadline deadline) {
  return begin(std::move(stream), false, deadline);
}

}  // namespace keelson::raft
