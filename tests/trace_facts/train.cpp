// Reads an IDX file of digits and takes a few steps of a perceptron: much of what it does is reading.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <vector>

struct Images {
    std::vector<float> pixels;
    std::size_t count = 0, size = 0;
};

static std::uint32_t read_number(std::ifstream& file) {
    unsigned char bytes[4];
    file.read(reinterpret_cast<char*>(bytes), 4);
    return bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

__attribute__((noinline)) Images read_images(const char* path) {
    std::ifstream file(path, std::ios::binary);
    read_number(file);
    Images images;
    images.count = read_number(file);
    images.size = static_cast<std::size_t>(read_number(file)) * read_number(file);
    images.pixels.reserve(images.count * images.size);
    char pixel;
    while (file.get(pixel)) images.pixels.push_back(static_cast<unsigned char>(pixel) / 255.0F);
    return images;
}

__attribute__((noinline)) void step(const Images& images, std::vector<float>& weights) {
    for (std::size_t image = 0; image < images.count; ++image) {
        const float* pixel = &images.pixels[image * images.size];
        float sum = 0;
        for (std::size_t place = 0; place < images.size; ++place) sum += weights[place] * pixel[place];
        for (std::size_t place = 0; place < images.size; ++place) weights[place] -= 1e-3F * sum * pixel[place];
    }
}

int main(int, char** arguments) {
    const Images images = read_images(arguments[1]);
    std::vector<float> weights(images.size, 0.1F);
    for (int number = 0; number < 12; ++number) step(images, weights);
    std::printf("%g\n", weights[0]);
}
