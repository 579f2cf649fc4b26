#include "tier/ssd/record_seal.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>

#include "base/check.h"
#include "tier/ssd/little_endian.h"

namespace quire {
namespace {

constexpr uint64_t kNoteNonce = uint64_t{1} << 40;  // beyond all layers of all blocks

static_assert(crypto_aead_aes256gcm_ABYTES == kAeadTagBytes);
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == kAeadTagBytes);
static_assert(crypto_aead_aes256gcm_KEYBYTES == kOwnerKeyBytes);
static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == kOwnerKeyBytes);

const unsigned char* Raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
unsigned char* Raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

// AES-256-GCM with one key. OpenSSL's is more than twice as fast as libsodium's, and what a disk
// gives waits for it.
class AesGcm {
 public:
  explicit AesGcm(const unsigned char* key) : context_(EVP_CIPHER_CTX_new()) {
    if (context_ == nullptr ||
        EVP_CipherInit_ex2(context_.get(), EVP_aes_256_gcm(), key, nullptr, 0, nullptr) != 1) {
      throw std::bad_alloc();  // FastestCipher has seen that it works
    }
  }

  // An OpenSSL may be set up without it.
  static bool Works() {
    const std::array<unsigned char, kOwnerKeyBytes> key{};
    try {
      const AesGcm tried(key.data());
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  // `nonce`: 12 bytes. `from` and `to` may be the same.
  void Seal(std::span<const std::byte> from, std::byte* to, std::span<const std::byte> about,
            const unsigned char* nonce, std::byte* tag) const {
    QUIRE_CHECK(
        Run(true, from, to, about, nonce) && Finish() &&
        EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, Raw(tag)) == 1);
  }
  bool Open(std::span<const std::byte> from, std::byte* to, std::span<const std::byte> about,
            const unsigned char* nonce, const std::byte* tag) const {
    std::array<std::byte, kAeadTagBytes> wanted;
    std::memcpy(wanted.data(), tag, wanted.size());
    return Run(false, from, to, about, nonce) &&
           EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes,
                               wanted.data()) == 1 &&
           Finish();
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  bool Run(bool seal, std::span<const std::byte> from, std::byte* to,
           std::span<const std::byte> about, const unsigned char* nonce) const {
    int bytes = 0;
    return EVP_CipherInit_ex2(context_.get(), nullptr, nullptr, nonce, seal ? 1 : 0, nullptr) ==
               1 &&
           EVP_CipherUpdate(context_.get(), nullptr, &bytes, Raw(about.data()),
                            static_cast<int>(about.size())) == 1 &&
           EVP_CipherUpdate(context_.get(), Raw(to), &bytes, Raw(from.data()),
                            static_cast<int>(from.size())) == 1;
  }
  // GCM holds nothing back: this makes or compares the tag.
  bool Finish() const {
    std::array<unsigned char, EVP_MAX_BLOCK_LENGTH> none;
    int bytes = 0;
    return EVP_CipherFinal_ex(context_.get(), none.data(), &bytes) == 1;
  }

  std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
};

// The key of one record, ready for use.
class RecordCipher {
 public:
  RecordCipher(const RecordHead& head, const std::string& owner_key) {
    QUIRE_CHECK(head.cipher != Cipher::kNone && owner_key.size() == kOwnerKeyBytes);
    crypto_generichash(key_.data(), key_.size(), Raw(head.salt.data()), head.salt.size(),
                       reinterpret_cast<const unsigned char*>(owner_key.data()), owner_key.size());
    if (head.cipher == Cipher::kAesGcm) aes_.emplace(key_.data());
  }
  RecordCipher(const RecordCipher&) = delete;
  RecordCipher& operator=(const RecordCipher&) = delete;

  // In place.
  void Seal(std::span<std::byte> text, std::span<const std::byte> about, uint64_t nonce,
            std::byte* tag) const {
    const auto n = Nonce(nonce);
    if (aes_) return aes_->Seal(text, text.data(), about, n.data(), tag);
    unsigned long long tag_bytes = 0;
    crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
        Raw(text.data()), Raw(tag), &tag_bytes, Raw(text.data()), text.size(), Raw(about.data()),
        about.size(), nullptr, n.data(), key_.data());
    QUIRE_CHECK(tag_bytes == kAeadTagBytes);
  }

  // `text`: likewise, or elsewhere. Undefined if this fails.
  bool Open(std::span<const std::byte> sealed, std::span<std::byte> text,
            std::span<const std::byte> about, uint64_t nonce, const std::byte* tag) const {
    const auto n = Nonce(nonce);
    if (aes_) return aes_->Open(sealed, text.data(), about, n.data(), tag);
    return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
               Raw(text.data()), nullptr, Raw(sealed.data()), sealed.size(), Raw(tag),
               Raw(about.data()), about.size(), n.data(), key_.data()) == 0;
  }

 private:
  // Long enough for either cipher.
  static std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES> Nonce(
      uint64_t value) {
    std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES> nonce{};
    std::memcpy(nonce.data(), &value, sizeof(value));
    return nonce;
  }

  struct Key : std::array<unsigned char, kOwnerKeyBytes> {
    ~Key() { sodium_memzero(data(), size()); }
  };
  Key key_{};
  std::optional<AesGcm> aes_;  // none: XChaCha20-Poly1305
};

// The block's name and the layer: what layer of what block the bytes are.
std::array<std::byte, 36> AboutLayer(const BlockName& name, uint32_t layer) {
  std::array<std::byte, 36> about{};
  StoreAt(about, 0, name);
  StoreAt(about, 32, layer);
  return about;
}

// All that identifies a block.
std::array<std::byte, 112> AboutNote(const RecordHead& head, uint32_t block) {
  std::array<std::byte, 112> about{};
  StoreAt(about, 0, head.names[block]);
  StoreAt(about, 32, head.ParentOf(block));
  StoreAt(about, 64, head.root_tag);
  StoreAt(about, 80, head.shape.kv_format);
  StoreAt(about, 96, head.shape.numerics_version);
  StoreAt(about, 100, head.shape.layers);
  StoreAt(about, 104, head.shape.layer_bytes);
  StoreAt(about, 108, head.shape.note_bytes);
  return about;
}

uint64_t LayerNonce(const RecordHead& head, uint32_t block, uint32_t layer) {
  return uint64_t{block} * head.shape.layers + layer;
}

void SealNotes(const RecordHead& head, const RecordLayout& layout, const RecordCipher* cipher,
               std::span<std::byte> record) {
  for (uint32_t i = 0; i < head.num_blocks(); ++i) {
    if (cipher == nullptr) return;
    const auto note = record.subspan(layout.NoteAt(i), head.shape.note_bytes);
    cipher->Seal(note, AboutNote(head, i), kNoteNonce + i, note.data() + note.size());
  }
}

// Of one block that was read.
bool OpenBlock(const RecordHead& head, const RecordLayout& layout, const RecordCipher& cipher,
               const RecordPart& part, uint32_t i) {
  const uint32_t block = part.first + i;
  const uint32_t note_bytes = head.shape.note_bytes;
  const auto stored = part.header.subspan(layout.NoteAt(block), layout.note_bytes);
  const auto note = part.notes.subspan(uint64_t{i} * note_bytes, note_bytes);
  std::ranges::copy(stored.first(note_bytes), note.begin());
  if (!cipher.Open(note, note, AboutNote(head, block), kNoteNonce + block,
                   stored.data() + note_bytes)) {
    return false;
  }
  for (uint32_t layer = part.layers.first; layer < part.layers.end; ++layer) {
    const uint64_t at = uint64_t{layer - part.layers.first} * head.shape.layer_bytes;
    const auto sealed = part.stored[i].subspan(at, head.shape.layer_bytes);
    const auto text = part.opened[i].subspan(at, head.shape.layer_bytes);
    const std::byte* tag = part.header.data() + layout.ProofAt(block, layer) + sizeof(uint64_t);
    const auto about = AboutLayer(head.names[block], layer);
    if (!cipher.Open(sealed, text, about, LayerNonce(head, block, layer), tag)) return false;
  }
  return true;
}

}  // namespace

Cipher FastestCipher() {
  QUIRE_CHECK(sodium_init() >= 0, "libsodium does not work here");
  static const bool kHasAes = crypto_aead_aes256gcm_is_available() != 0 && AesGcm::Works();
  return kHasAes ? Cipher::kAesGcm : Cipher::kXChaCha;
}

void SealRecord(RecordHead& head, std::span<const std::byte> notes, const std::string& owner_key,
                std::span<std::byte> record) {
  const bool sealed = head.cipher != Cipher::kNone;
  const RecordLayout layout(head.shape, head.num_blocks(), sealed);
  QUIRE_CHECK(record.size() >= layout.record_bytes);
  QUIRE_CHECK(notes.size() == uint64_t{head.num_blocks()} * head.shape.note_bytes);
  const auto header = record.first(layout.header_bytes);
  std::ranges::fill(header, std::byte{0});
  head.salt = {};
  if (sealed) randombytes_buf(head.salt.data(), head.salt.size());
  std::optional<RecordCipher> cipher;
  if (sealed) cipher.emplace(head, owner_key);
  for (uint32_t i = 0; i < head.num_blocks(); ++i) {
    std::ranges::copy(notes.subspan(uint64_t{i} * head.shape.note_bytes, head.shape.note_bytes),
                      header.begin() + static_cast<ptrdiff_t>(layout.NoteAt(i)));
    for (uint32_t layer = 0; layer < head.shape.layers; ++layer) {
      const auto bytes = record.subspan(
          layout.BlockAt(i) + uint64_t{layer} * head.shape.layer_bytes, head.shape.layer_bytes);
      const uint64_t proof = layout.ProofAt(i, layer);
      if (cipher) {
        cipher->Seal(bytes, AboutLayer(head.names[i], layer), LayerNonce(head, i, layer),
                     header.data() + proof + sizeof(uint64_t));
      }
      StoreAt(header, proof, XXH3_64bits(bytes.data(), bytes.size()));
    }
  }
  SealNotes(head, layout, cipher ? &*cipher : nullptr, header);
  const uint64_t payload_end = layout.header_bytes + head.payload_bytes();
  std::ranges::fill(record.subspan(payload_end, layout.record_bytes - payload_end), std::byte{0});
  SealHeader(head, header);
}

uint32_t OpenRecord(const RecordHead& head, const std::string& owner_key, const RecordPart& part) {
  const bool sealed = head.cipher != Cipher::kNone;
  const RecordLayout layout(head.shape, head.num_blocks(), sealed);
  const auto count = static_cast<uint32_t>(part.stored.size());
  const uint64_t bytes = uint64_t{part.layers.size()} * head.shape.layer_bytes;
  QUIRE_CHECK(part.first + count <= head.num_blocks() && part.layers.end <= head.shape.layers);
  QUIRE_CHECK(part.header.size() == layout.header_bytes);
  QUIRE_CHECK(part.opened.size() == count);
  QUIRE_CHECK(std::ranges::all_of(part.stored, [&](auto block) { return block.size() == bytes; }));
  QUIRE_CHECK(std::ranges::all_of(part.opened, [&](auto block) { return block.size() == bytes; }));
  QUIRE_CHECK(part.notes.size() == uint64_t{count} * head.shape.note_bytes);
  std::optional<RecordCipher> cipher;
  if (head.cipher == Cipher::kAesGcm && FastestCipher() != Cipher::kAesGcm) return 0;
  if (sealed) cipher.emplace(head, owner_key);
  for (uint32_t i = 0; i < count; ++i) {
    if (part.bring && !part.bring(i)) return i;
    if (cipher) {
      if (!OpenBlock(head, layout, *cipher, part, i)) return i;
      continue;
    }
    if (!IsUndamaged(head, part.header, part.first + i, part.layers, part.stored[i])) return i;
    if (part.opened[i].data() != part.stored[i].data()) {
      std::ranges::copy(part.stored[i], part.opened[i].begin());
    }
    const auto note = part.header.subspan(layout.NoteAt(part.first + i), head.shape.note_bytes);
    std::ranges::copy(note, part.notes.begin() + int64_t{i} * head.shape.note_bytes);
  }
  return count;
}

bool IsUndamaged(const RecordHead& head, std::span<const std::byte> header, uint32_t block,
                 LayerRange layers, std::span<const std::byte> stored) {
  const RecordLayout layout(head.shape, head.num_blocks(), head.cipher != Cipher::kNone);
  for (uint32_t layer = layers.first; layer < layers.end; ++layer) {
    const auto bytes = stored.subspan(uint64_t{layer - layers.first} * head.shape.layer_bytes,
                                      head.shape.layer_bytes);
    const auto proof = LoadAt<uint64_t>(header, layout.ProofAt(block, layer));
    if (proof != XXH3_64bits(bytes.data(), bytes.size())) return false;
  }
  return true;
}

}  // namespace quire
