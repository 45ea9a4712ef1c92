#include "tests/core/raft/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/base/check.h"

namespace keelson::raft {

namespace {

EVP_PKEY* make_key() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  CHECK(key != nullptr);
  return key;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::string pem_of(X509* certificate) {
  BIO* const bio = BIO_new(BIO_s_mem());
  CHECK(PEM_write_bio_X509(bio, certificate) == 1);
  return text_of(bio);
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// Without a signature. `issuer` null: of itself.
X509* make_certificate(EVP_PKEY* key, const std::string& name, long seconds, X509* issuer) {
  X509* const certificate = X509_new();
  CHECK(X509_set_version(certificate, 2) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), issuer == nullptr ? 1 : 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
  X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
  X509_set_pubkey(certificate, key);
  X509_NAME* const subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, issuer == nullptr ? subject : X509_get_subject_name(issuer));
  return certificate;
}

}  // namespace

struct TestAuthority::Parts {
  EVP_PKEY* key = make_key();
  X509* certificate = make_certificate(key, "authority", 3600, nullptr);
};

TestAuthority::TestAuthority() : parts_(new Parts) {
  add_extension(parts_->certificate, parts_->certificate, NID_basic_constraints,
                "critical,CA:TRUE");
  CHECK(X509_sign(parts_->certificate, parts_->key, EVP_sha256()) > 0);
}

TestAuthority::~TestAuthority() {
  X509_free(parts_->certificate);
  EVP_PKEY_free(parts_->key);
  delete parts_;
}

std::string TestAuthority::certificate() const { return pem_of(parts_->certificate); }

SignedPair TestAuthority::sign(const std::string& name, long seconds) const {
  EVP_PKEY* const key = make_key();
  X509* const certificate = make_certificate(key, name, seconds, parts_->certificate);
  add_extension(certificate, parts_->certificate, NID_subject_alt_name, "DNS:" + name);
  CHECK(X509_sign(certificate, parts_->key, EVP_sha256()) > 0);
  BIO* const bio = BIO_new(BIO_s_mem());
  CHECK(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  SignedPair pair{.certificate = pem_of(certificate), .key = text_of(bio)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return pair;
}

}  // namespace keelson::raft
