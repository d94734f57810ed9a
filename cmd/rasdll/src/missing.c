/* missing.c: names every symbol that a library needs and nobody has. The loader itself names only the first. */
#include "rasdll.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file in memory; nothing in it is trusted. */
struct image {
    const uint8_t *at;
    size_t size;
};

/* size bytes at offset, or NULL if the file has not got them. */
static const void *part(const struct image *f, uint64_t offset, uint64_t size)
{
    return offset <= f->size && size <= f->size - offset ? f->at + offset : NULL;
}

/* A text at offset in the string table, or NULL. */
static const char *text_at(const struct image *f, const ElfW(Shdr) *strings, uint64_t offset)
{
    const char *table = part(f, strings->sh_offset, strings->sh_size);

    if (table == NULL || offset >= strings->sh_size || memchr(table + offset, '\0', strings->sh_size - offset) == NULL)
        return NULL;
    return table + offset;
}

/* The section of a type, with its string table; NULL if there is none. */
static const ElfW(Shdr) *section(const struct image *f, ElfW(Word) type, const ElfW(Shdr) **strings)
{
    const ElfW(Ehdr) *header = part(f, 0, sizeof(*header));
    const ElfW(Shdr) *all;

    if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
        header->e_shentsize != sizeof(*all) || header->e_shoff % sizeof(void *) != 0)
        return NULL;
    all = part(f, header->e_shoff, (uint64_t)header->e_shnum * sizeof(*all));
    for (size_t i = 0; all != NULL && i < header->e_shnum; i++) {
        if (all[i].sh_type == type && all[i].sh_link < header->e_shnum && all[i].sh_offset % sizeof(void *) == 0) {
            *strings = &all[all[i].sh_link];
            return &all[i];
        }
    }
    return NULL;
}

/* Loads the libraries that the file needs, so that their symbols can be asked for. */
static void load_needed(const struct image *f)
{
    const ElfW(Shdr) *strings, *dynamic = section(f, SHT_DYNAMIC, &strings);
    const ElfW(Dyn) *entry = dynamic != NULL ? part(f, dynamic->sh_offset, dynamic->sh_size) : NULL;

    for (size_t i = 0; entry != NULL && i < dynamic->sh_size / sizeof(*entry) && entry[i].d_tag != DT_NULL; i++) {
        const char *name = entry[i].d_tag == DT_NEEDED ? text_at(f, strings, entry[i].d_un.d_val) : NULL;

        if (name != NULL && dlopen(name, RTLD_LAZY | RTLD_GLOBAL) == NULL)
            fprintf(stderr, "rasdll: it needs the library %s, which cannot be loaded\n", name);
    }
}

static int report(const struct image *f, const char *path)
{
    const ElfW(Shdr) *strings, *symbols = section(f, SHT_DYNSYM, &strings);
    const ElfW(Sym) *symbol = symbols != NULL ? part(f, symbols->sh_offset, symbols->sh_size) : NULL;
    int missing = 0;

    for (size_t i = 1; symbol != NULL && i < symbols->sh_size / sizeof(*symbol); i++) {
        const char *name;

        if (symbol[i].st_shndx != SHN_UNDEF || ELF64_ST_BIND(symbol[i].st_info) == STB_WEAK)
            continue;
        name = text_at(f, strings, symbol[i].st_name);
        if (name == NULL || *name == '\0' || dlsym(RTLD_DEFAULT, name) != NULL)
            continue;
        if (missing++ == 0)
            fprintf(stderr, "rasdll: %s needs what neither rasdll nor another library has:\n", path);
        fprintf(stderr, "rasdll: unresolved symbol %s\n", name);
    }
    return missing;
}

/* Maps a file; false if that cannot be done. */
static bool map_file(const char *path, struct image *f)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map = MAP_FAILED;

    if (fd < 0)
        return false;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return false;
    f->at = map;
    f->size = (size_t)info.st_size;
    return true;
}

/* Whether all that the loader maps is in the file: it does not look, and dies of what is not. */
static bool whole(const struct image *f)
{
    const ElfW(Ehdr) *header = part(f, 0, sizeof(*header));
    const ElfW(Phdr) *all;

    if (header == NULL || header->e_phentsize != sizeof(*all) || header->e_phoff % sizeof(void *) != 0)
        return false;
    all = part(f, header->e_phoff, (uint64_t)header->e_phnum * sizeof(*all));
    for (size_t i = 0; all != NULL && i < header->e_phnum; i++)
        if (part(f, all[i].p_offset, all[i].p_filesz) == NULL)
            return false;
    return all != NULL;
}

bool missing_part(const char *path)
{
    struct image f;
    bool is_whole;

    if (!map_file(path, &f)) /* the loader says why */
        return false;
    is_whole = whole(&f);
    munmap((void *)f.at, f.size);
    return !is_whole;
}

int missing_report(const char *path)
{
    struct image f;
    int missing;

    if (!map_file(path, &f))
        return 0;
    load_needed(&f);
    missing = report(&f, path);
    munmap((void *)f.at, f.size);
    return missing;
}
