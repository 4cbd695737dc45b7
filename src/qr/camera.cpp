#include "qr/camera.h"

#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <zbar.h>

#include "qr/limits.h"

namespace kith::qr {

struct Camera::State {
    zbar::zbar_video_t* video = zbar::zbar_video_create();
    ~State() {
        if (video != nullptr) zbar::zbar_video_destroy(video);
    }
};

Camera::Camera(std::unique_ptr<State> state) : state_(std::move(state)) {}
Camera::Camera(Camera&&) noexcept = default;
Camera& Camera::operator=(Camera&&) noexcept = default;
Camera::~Camera() = default;

bool may_be_camera(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_character_file(path, ignored);
}

namespace {

// Asked before zbar is, which tells standard error what it thinks of other devices.
bool takes_pictures(const std::filesystem::path& device) {
    const int fd = ::open(device.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    v4l2_capability able{};
    const bool answered = ::ioctl(fd, VIDIOC_QUERYCAP, &able) == 0;
    ::close(fd);
    return answered && (able.capabilities & V4L2_CAP_VIDEO_CAPTURE) != 0;
}

}  // namespace

Result<Camera> Camera::open(const std::filesystem::path& device) {
    auto state = std::make_unique<State>();
    auto* video = state->video;
    const bool works =
        takes_pictures(device) && video != nullptr &&
        zbar::zbar_video_request_size(video, limits::camera_width, limits::camera_height) == 0 &&
        zbar::zbar_video_open(video, device.c_str()) == 0 &&
        zbar::zbar_negotiate_format(video, nullptr) == 0 && zbar::zbar_video_enable(video, 1) == 0;
    if (!works)
        return fail(Fault::unavailable, device.string() + " cannot be used as a camera",
                    "end other programs that use it; 'ls /dev/video*' shows the devices that there are");
    return Camera(std::move(state));
}

Result<Picture> Camera::next() {
    pollfd ready{zbar::zbar_video_get_fd(state_->video), POLLIN, 0};
    const bool came = ready.fd < 0 || ::poll(&ready, 1, limits::camera_frame_ms) > 0;
    using Image = std::unique_ptr<zbar::zbar_image_t, void (*)(zbar::zbar_image_t*)>;
    const Image taken(came ? zbar::zbar_video_next_image(state_->video) : nullptr, zbar::zbar_image_destroy);
    const Image grey(taken ? zbar::zbar_image_convert(taken.get(), zbar_fourcc('Y', '8', '0', '0')) : nullptr,
                     zbar::zbar_image_destroy);
    const auto width = grey ? zbar::zbar_image_get_width(grey.get()) : 0;
    const auto height = grey ? zbar::zbar_image_get_height(grey.get()) : 0;
    const std::size_t size = static_cast<std::size_t>(width) * height;
    if (size == 0 || size > limits::picture_pixels || zbar::zbar_image_get_data_length(grey.get()) < size)
        return fail(Fault::timed_out, "the camera gives no picture", "plug it in again, or use another one");
    const auto* from = static_cast<const std::uint8_t*>(zbar::zbar_image_get_data(grey.get()));
    return Picture{static_cast<int>(width), static_cast<int>(height), {from, from + size}};
}

}  // namespace kith::qr
