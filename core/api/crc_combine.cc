// A CRC is the remainder of a polynomial over GF(2), its octets the coefficients. To put n octets
// behind a run multiplies its remainder by x^(8n) modulo the CRC's own polynomial; theirs is then
// added, which is an exclusive or. What a CRC begins with and is inverted with cancel each other
// out, as all kinds here have all ones for both. Coefficients are reflected: the highest bit is
// that of x^0.
// Tested by tests/core/api/crc_combine_test.cc.
#include "core/api/crc_combine.h"

#include <optional>

#include "core/base/check.h"

namespace keelson::api {

namespace {

struct Field {
  int bits;
  std::uint64_t polynomial;  // Reflected, without its highest term.
};

std::optional<Field> field_of(DigestKind kind) {
  switch (kind) {
    case DigestKind::crc32: return Field{32, 0xEDB88320};
    case DigestKind::crc32c: return Field{32, 0x82F63B78};
    case DigestKind::crc64nvme: return Field{64, 0x9A6C9329AC4BC9B5};
    case DigestKind::md5:
    case DigestKind::sha1:
    case DigestKind::sha256: return std::nullopt;
  }
  CHECK(false);
  return std::nullopt;
}

std::uint64_t multiply(const Field& field, std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  for (std::uint64_t bit = std::uint64_t{1} << (field.bits - 1); bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? b >> 1 ^ field.polynomial : b >> 1;
  }
  return product;
}

// x^(8n): squares of x^8, as the binary digits of n say.
std::uint64_t shift_by(const Field& field, std::uint64_t octets) {
  std::uint64_t power = std::uint64_t{1} << (field.bits - 1 - 8);
  std::uint64_t product = std::uint64_t{1} << (field.bits - 1);
  for (; octets != 0; octets >>= 1) {
    if ((octets & 1) != 0) product = multiply(field, product, power);
    power = multiply(field, power, power);
  }
  return product;
}

std::uint64_t to_number(BytesView big_endian) {
  std::uint64_t value = 0;
  for (const char octet : big_endian) value = value << 8 | static_cast<unsigned char>(octet);
  return value;
}

}  // namespace

bool can_combine(DigestKind kind) {
  return field_of(kind).has_value();
}

Bytes combine_crcs(DigestKind kind, const std::vector<CrcOfRun>& runs) {
  const auto field = field_of(kind);
  CHECK(field.has_value());
  std::uint64_t whole = 0;  // Of nothing.
  // Most runs are as long as the one before.
  std::uint64_t octets = 0;
  std::uint64_t shift = shift_by(*field, octets);
  for (const CrcOfRun& run : runs) {
    CHECK(run.crc.size() == digest_bytes(kind));
    if (run.bytes != octets) {
      octets = run.bytes;
      shift = shift_by(*field, octets);
    }
    whole = multiply(*field, shift, whole) ^ to_number(run.crc);
  }
  Bytes big_endian;
  for (int position = field->bits - 8; position >= 0; position -= 8) {
    big_endian += static_cast<char>(whole >> position & 255);
  }
  return big_endian;
}

}  // namespace keelson::api
